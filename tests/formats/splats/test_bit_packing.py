import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from fastavatar.formats.splats.bit_packing import (
    SH_REACH,
    decode_coefficients,
    decode_opacity_bytes,
    decode_rotations,
    decode_unit,
    encode_coefficients,
    encode_rotations,
    encode_unit,
    pack,
    unpack,
)
from fastavatar.geometry import matrix_from_quaternion_wxyz

seeds = st.integers(0, 9999)


@given(seeds, st.sampled_from([(11, 10, 11), (2, 10, 10, 10), (8, 8, 8, 8), (32,)]))
def test_what_was_packed_is_unpacked(seed: int, bits: tuple[int, ...]) -> None:
    draw = np.random.default_rng(seed)
    fields = [draw.integers(0, 1 << width, 20) for width in bits]
    for field, back in zip(fields, unpack(pack(fields, bits), bits), strict=True):
        assert field.tolist() == back.tolist()


def test_the_first_field_has_the_highest_bits() -> None:
    assert pack([np.array([1]), np.array([2]), np.array([3])], (11, 10, 11)).tolist() == [
        1 << 21 | 2 << 11 | 3
    ]


@given(seeds, st.integers(1, 16))
def test_units_come_back_within_half_a_step(seed: int, bits: int) -> None:
    values = np.random.default_rng(seed).random(50)
    back = decode_unit(encode_unit(values, bits), bits)
    assert np.abs(back - values).max() <= 0.5 / ((1 << bits) - 1) + 1e-12
    assert decode_unit(encode_unit(np.array([-1.0, 0, 1, 2]), bits), bits).tolist() == [0, 0, 1, 1]


@given(seeds)
def test_rotations_come_back(seed: int) -> None:
    quats = np.random.default_rng(seed).standard_normal((50, 4))
    quats[:4] = np.eye(4)
    quats[4:8] = -np.eye(4)
    quats /= np.linalg.norm(quats, axis=1, keepdims=True)
    turned, back = (
        matrix_from_quaternion_wxyz(torch.from_numpy(q))
        for q in (quats, decode_rotations(encode_rotations(quats)))
    )
    assert float((turned - back).abs().max()) < 8e-3  # each part to √2 / 2046


@given(seeds)
def test_coefficients_come_back_within_half_a_step_or_clipped(seed: int) -> None:
    sh = np.random.default_rng(seed).uniform(-SH_REACH, SH_REACH, 50).astype(np.float32)
    assert np.abs(decode_coefficients(encode_coefficients(sh)) - sh).max() <= SH_REACH / 256 + 1e-6
    assert encode_coefficients(np.array([-9.0, 9.0], np.float32)).tolist() == [0, 255]


def test_no_opacity_byte_has_an_infinite_logit_and_each_its_own() -> None:
    logits = decode_opacity_bytes(np.arange(256))
    assert np.isfinite(logits).all() and (np.diff(logits) > 0).all()
    np.testing.assert_allclose(1 / (1 + np.exp(-logits[1:255])), np.arange(1, 255) / 255, rtol=1e-5)
    assert 1 / (1 + np.exp(-logits[0])) < 1 / 255 and 1 / (1 + np.exp(-logits[255])) > 0.999
