from fastavatar.models.facemesh.template import Array
def fit_outline(template, vertices, camera, mask): return vertices
