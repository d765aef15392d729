"""What is packed comes out again: to the last bit, or within the stated bound."""

import pytest
import torch

from vogn_app.distributed import packing
from vogn_app.distributed.packing import Entry, Half, Layout

ROUNDING = {torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8}
HALVES = pytest.mark.parametrize("dtype", list(ROUNDING), ids=str)


def symmetric(*shape, dtype=torch.float64):
    values = torch.randn(shape, dtype=dtype)
    return values + values.mT


def triangles(shapes):
    return Layout(Entry(tuple(shape), symmetric=True) for shape in shapes)


def packed(*matrices):
    layout = triangles(matrix.shape for matrix in matrices)
    return layout.pack(matrices, matrices[0].new_empty(layout.size))


def test_upper_triangles_lie_row_by_row():
    matrix = torch.tensor([[[1.0, 2.0, 3.0], [2.0, 4.0, 5.0], [3.0, 5.0, 6.0]]])
    assert packed(matrix).tolist() == [1, 2, 3, 4, 5, 6]
    two = torch.cat([matrix, 10 * matrix])
    assert packed(two).tolist() == [1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60]
    assert triangles([two.shape]).unpack(packed(two))[0].tolist() == two.tolist()


@pytest.mark.parametrize("band", [1, 2, 3, 5, 512])
def test_matrices_come_back_to_the_last_bit(band, monkeypatch):
    monkeypatch.setattr(packing, "BAND", band)
    shapes = [(2, 7, 7), (1, 1, 1), (3, 0, 0), (0, 4, 4), (6, 6), (2, 2, 5, 5)]
    for dtype in (torch.float32, torch.float64):
        matrices = [symmetric(*shape, dtype=dtype) for shape in shapes]
        flat = packed(*matrices)
        assert flat.shape == (sum(int(m.triu().ne(0).sum()) for m in matrices),)
        assert flat.dtype == dtype
        for matrix, back in zip(matrices, triangles(shapes).unpack(flat), strict=True):
            assert torch.equal(matrix, back)
            assert torch.equal(back, back.mT)


def test_large_matrices_take_several_bands():
    matrix = symmetric(1, 2 * packing.BAND + 3, 2 * packing.BAND + 3)
    flat = packed(matrix)
    assert torch.equal(flat.sort().values, matrix[matrix.triu().bool()].sort().values)
    assert torch.equal(triangles([matrix.shape]).unpack(flat)[0], matrix)
    cached = packing._indices(packing.BAND, matrix.device)
    assert cached is packing._indices(packing.BAND, matrix.device)
    assert sum(index.nbytes for index in cached) < 1.6e6


def test_the_lower_triangle_is_not_read_and_strides_do_not_matter():
    matrix = symmetric(2, 5, 5)
    spoilt = matrix.triu() + torch.full_like(matrix, torch.nan).tril(-1)
    assert torch.equal(packed(spoilt), packed(matrix))
    wide = torch.randn(2, 5, 10)
    wide[:, :, ::2] = matrix
    assert torch.equal(packed(wide[:, :, ::2]), packed(matrix))


def test_numbers_that_are_not_finite_stay_where_they_are():
    matrix = symmetric(1, 3, 3)
    matrix[0, 0, 1] = matrix[0, 1, 0] = torch.nan
    matrix[0, 2, 2] = -torch.inf
    (back,) = triangles([matrix.shape]).unpack(packed(matrix))
    assert torch.equal(back.nan_to_num(7.0), matrix.nan_to_num(7.0))


def test_a_layout_mixes_matrices_with_whatever_else_there_is():
    kernel = torch.randn(4, 3, 3)  # square, but not symmetric
    layout = Layout([
        Entry((2, 3, 3), symmetric=True),
        Entry((4, 3, 3)),
        Entry(()),
        Entry((0, 5)),
        Entry((7,)),
    ])  # fmt: skip
    assert layout.sizes == (12, 36, 1, 0, 7)
    assert layout.size == 56
    tensors = [symmetric(2, 3, 3), kernel, torch.tensor(3.0), torch.ones(0, 5)]
    tensors.append(torch.arange(7))
    flat = torch.full((56,), torch.nan, dtype=torch.float64)
    assert layout.pack(tensors, flat) is flat
    for tensor, back in zip(tensors, layout.unpack(flat), strict=True):
        assert torch.equal(tensor.double(), back)
    assert layout.unpack(flat)[4].data_ptr() == flat[49:].data_ptr()


def test_an_empty_layout():
    layout = Layout([])
    assert layout.size == 0
    assert layout.unpack(layout.pack([], torch.empty(0))) == []


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: triangles([(2, 3, 4)]), r"square matrices, got \(2, 3, 4\)"),
        (lambda: triangles([(3,)]), r"square matrices, got \(3,\)"),
        (lambda: Layout([Entry((3,))]).pack([torch.ones(4)], torch.ones(3)),
         r"tensors must have shape \(3,\), got \(4,\)"),
        (lambda: Half((3,), torch.float32),
         r"must be one of torch.bfloat16, torch.float16, got torch.float32"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call()


# --- half precision ---------------------------------------------------------------


def rounded(values, dtype, sizes=None):
    half = Half(tuple(sizes or (len(values),)), dtype)
    sent = half.encode(values)
    assert (sent.dtype, sent.shape) == (dtype, (half.size,))
    back = half.decode(sent, values.dtype)
    assert back.dtype == values.dtype
    return back


@HALVES
@pytest.mark.parametrize("magnitude", [2.0**-90, 1e-12, 1.0, 65504.0, 1e30])
@pytest.mark.parametrize("single", [True, False], ids=["single", "double"])
def test_the_error_is_within_its_bound_at_every_magnitude(dtype, magnitude, single):
    spread = torch.exp2(-40 * torch.rand(2000, dtype=torch.float64))
    values = magnitude * spread * torch.randn(2000, dtype=torch.float64).sign()
    values = values.float() if single else values
    error = (rounded(values, dtype) - values).abs().double()
    bound = (ROUNDING[dtype] * values.abs().double()).clamp_min(2.0**-39 * magnitude)
    assert (error <= bound).all()
    assert error.max() > 0.2 * ROUNDING[dtype] * magnitude  # it is tight


@HALVES
def test_each_entry_has_a_scale_of_its_own(dtype):
    large, small = 1e25 * torch.randn(50), 1e-25 * torch.randn(30)
    values = torch.cat([large, torch.zeros(4), small])
    back = rounded(values, dtype, (50, 0, 4, 30))
    assert ((back - values).abs() <= ROUNDING[dtype] * values.abs()).all()
    assert torch.equal(back[50:54], torch.zeros(4))


@HALVES
def test_what_half_precision_can_hold_is_exact(dtype):
    values = torch.arange(-128.0, 128.0)
    for power in (-60, 0, 60):
        assert torch.equal(rounded(values * 2.0**power, dtype), values * 2.0**power)


@HALVES
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_stays_so_and_spoils_no_other_entry(dtype, bad):
    values = torch.tensor([1.0, bad, 3.0, 5.0, 7.0])
    back = rounded(values, dtype, (3, 2))
    assert torch.equal(back.nan_to_num(9.0), values.nan_to_num(9.0))


@HALVES
@pytest.mark.parametrize("sign", [1, -1])
def test_all_of_the_range_is_safe_from_overflow(dtype, sign):
    for exponent in range(-99, 129):
        just_below = sign * 2.0**exponent * (1 - 2.0**-24)
        values = torch.tensor([just_below, 0.0], dtype=torch.float32)
        back = rounded(values, dtype)
        # The largest number of all may be rounded up to infinity, as by any cast.
        if exponent < 128:
            assert abs(back[0] / just_below - 1) <= ROUNDING[dtype]
        assert back[1] == 0


@HALVES
def test_entries_below_the_range_lose_digits_but_stay_small(dtype):
    values = torch.tensor([1e-45, -1e-40, 1e-35], dtype=torch.float32)
    error = (rounded(values, dtype) - values).abs()
    assert (error <= 2.0**-100 * ROUNDING[dtype]).all()


@HALVES
def test_sums_of_decoded_numbers_are_off_by_no_more_than_their_parts(dtype):
    parts = [torch.randn(500, dtype=torch.float64) for _ in range(8)]
    total = sum(rounded(part, dtype) for part in parts)
    bound = ROUNDING[dtype] * sum(part.abs() for part in parts) + 1e-9
    assert ((total - sum(parts)).abs() <= bound).all()


@HALVES
def test_a_rounded_matrix_is_off_by_its_rounding_in_the_spectral_norm(dtype):
    rows = torch.randn(20, 30)
    matrix = rows.mT @ rows
    layout = Layout([Entry((30, 30), symmetric=True)])
    flat = layout.pack([matrix], torch.empty(layout.size))
    half = layout.half(dtype)
    (back,) = layout.unpack(half.decode(half.encode(flat), torch.float32))
    assert torch.equal(back, back.mT)
    error = torch.linalg.matrix_norm(back - matrix, 2)
    assert error <= ROUNDING[dtype] * torch.linalg.matrix_norm(matrix)


def test_a_buffer_without_entries():
    half = Half((), torch.float16)
    assert half.decode(half.encode(torch.empty(0)), torch.float32).shape == (0,)
