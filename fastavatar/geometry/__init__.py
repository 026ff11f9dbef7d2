"""Pure mathematics: rotations, spherical harmonics, similarity fits, kernels, graphs, triangle meshes.

Import functions from here; each loads when it is first used.
"""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.geometry.arrays import Array as Array
    from fastavatar.geometry.arrays import Bools as Bools
    from fastavatar.geometry.arrays import Ints as Ints
    from fastavatar.geometry.graphs import diffused as diffused
    from fastavatar.geometry.graphs import edge_graph as edge_graph
    from fastavatar.geometry.graphs import nearest_neighbours as nearest_neighbours
    from fastavatar.geometry.graphs import neighbour_graph as neighbour_graph
    from fastavatar.geometry.graphs import row_mean as row_mean
    from fastavatar.geometry.kernels import spread_offsets as spread_offsets
    from fastavatar.geometry.kernels import wendland_c2 as wendland_c2
    from fastavatar.geometry.polygons import inside_polygon as inside_polygon
    from fastavatar.geometry.quaternions import matrix_from_quaternion_wxyz as matrix_from_quaternion_wxyz
    from fastavatar.geometry.quaternions import multiply_quaternions_wxyz as multiply_quaternions_wxyz
    from fastavatar.geometry.quaternions import quaternion_wxyz_from_matrix as quaternion_wxyz_from_matrix
    from fastavatar.geometry.sampling import farthest_points as farthest_points
    from fastavatar.geometry.shapes import require_shape as require_shape
    from fastavatar.geometry.similarity import Similarity as Similarity
    from fastavatar.geometry.similarity import fit_similarity as fit_similarity
    from fastavatar.geometry.triangles import boundary_loops as boundary_loops
    from fastavatar.geometry.triangles import nearest_on_mesh as nearest_on_mesh
    from fastavatar.geometry.triangles import nearest_on_triangles as nearest_on_triangles
    from fastavatar.geometry.triangles import sample_triangles as sample_triangles
    from fastavatar.geometry.triangles import triangle_areas as triangle_areas
    from fastavatar.geometry.triangles import vertex_normals as vertex_normals

__getattr__ = lazy_attributes(
    __name__,
    {
        ".arrays": ["Array", "Bools", "Ints"],
        ".graphs": ["diffused", "edge_graph", "nearest_neighbours", "neighbour_graph", "row_mean"],
        ".kernels": ["spread_offsets", "wendland_c2"],
        ".polygons": ["inside_polygon"],
        ".quaternions": [
            "matrix_from_quaternion_wxyz",
            "multiply_quaternions_wxyz",
            "quaternion_wxyz_from_matrix",
        ],
        ".sampling": ["farthest_points"],
        ".shapes": ["require_shape"],
        ".similarity": ["Similarity", "fit_similarity"],
        ".triangles": [
            "boundary_loops",
            "nearest_on_mesh",
            "nearest_on_triangles",
            "sample_triangles",
            "triangle_areas",
            "vertex_normals",
        ],
    },
)
