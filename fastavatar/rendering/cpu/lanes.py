"""Sixteen float32 numbers as one numba value: the pixels of a row that a kernel works on together.

LLVM maps such a vector onto the processor's registers: one of AVX-512, two of AVX2, four of SSE or NEON. Left
to find vectors in a loop by itself, LLVM keeps every running value in memory, or gives up.
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from fastavatar.rendering import inlined

WIDTH = 16

_I32 = ir.IntType(32)
_FLOATS = ir.VectorType(ir.FloatType(), WIDTH)
_FLAGS = ir.VectorType(ir.IntType(1), WIDTH)


class _Lanes(types.Type):  # type: ignore[misc]  # numba has no types
    """A vector; `ir_type` is what LLVM calls it."""

    def __init__(self, name: str, ir_type: ir.Type) -> None:
        self.ir_type = ir_type
        super().__init__(name=name)


floats = _Lanes("floats16", _FLOATS)
flags = _Lanes("flags16", _FLAGS)


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, lanes: _Lanes) -> None:
        super().__init__(manager, lanes, lanes.ir_type)


def _pick(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, lanes: list[int]) -> ir.Value:
    """Lanes of `a` (0 to 15) and `b` (16 to 31)."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, len(lanes)), lanes))


def _spread(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """A scalar in every lane; lanes as they are."""
    if value.type == _FLOATS:
        return value
    # LLVM's idiom for a broadcast, which becomes one instruction
    undefined = ir.Constant(_FLOATS, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(_I32, 0))
    return _pick(builder, first, undefined, [0] * WIDTH)


def _define(symbol: Any, result: _Lanes, emit: Callable[..., ir.Value]) -> None:
    """Let the operator `symbol` take lanes on either side; a float32 on the other side is spread."""

    @infer_global(symbol)
    class Template(AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: Any, kws: Any) -> Any:
            # At least one side must be lanes; of two scalars numba's own operator takes care
            fits = floats in args and all(arg in (floats, types.float32) for arg in args)
            return signature(result, *args) if fits else None

    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return emit(builder, *(_spread(builder, arg) for arg in args))

    for left, right in [(floats, floats), (floats, types.float32), (types.float32, floats)]:
        lower_builtin(symbol, left, right)(lower)


_define(operator.add, floats, lambda builder, a, b: builder.fadd(a, b))
_define(operator.sub, floats, lambda builder, a, b: builder.fsub(a, b))
_define(operator.mul, floats, lambda builder, a, b: builder.fmul(a, b))
_define(operator.truediv, floats, lambda builder, a, b: builder.fdiv(a, b))
_define(operator.gt, flags, lambda builder, a, b: builder.fcmp_ordered(">", a, b))
_define(operator.ge, flags, lambda builder, a, b: builder.fcmp_ordered(">=", a, b))


def _emitted(define: Callable[..., Any]) -> Any:
    """A numba function from one that returns its types and the function that writes its LLVM code."""
    return intrinsic(define)


@_emitted
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """a·b + c, in one instruction where the processor has it; scalars are spread."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        kind = ir.FunctionType(_FLOATS, [_FLOATS] * 3)
        function = builder.module.declare_intrinsic(f"llvm.fmuladd.v{WIDTH}f32", fnty=kind)
        return builder.call(function, [_spread(builder, arg) for arg in args])

    return floats(a, b, c), emit


@_emitted
def spread(typing_context: Any, value: Any) -> Any:
    """The float32 `value` in every lane."""
    return floats(types.float32), lambda context, builder, sig, args: _spread(builder, args[0])


@_emitted
def lane_numbers(typing_context: Any) -> Any:
    """0, 1, … 15."""
    return floats(), lambda *_: ir.Constant(_FLOATS, [float(lane) for lane in range(WIDTH)])


@_emitted
def where(typing_context: Any, condition: Any, a: Any, b: Any) -> Any:
    """`a` in the lanes where `condition` holds, else `b`; scalars are spread."""
    return floats(flags, a, b), lambda context, builder, sig, args: builder.select(
        args[0], _spread(builder, args[1]), _spread(builder, args[2])
    )


@_emitted
def bits(typing_context: Any, condition: Any) -> Any:
    """The flags as an integer, lane 0 lowest; not zero where any holds."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        # Sixteen flags of one bit are sixteen bits of an integer
        return builder.zext(builder.bitcast(args[0], ir.IntType(WIDTH)), ir.IntType(64))

    return types.int64(flags), emit


@_emitted
def lowest(typing_context: Any, flag_bits: Any) -> Any:
    """Number of the lowest bit that is set, of an integer that is not zero."""
    undefined_for_zero = ir.Constant(ir.IntType(1), 1)
    return types.int64(types.int64), lambda context, builder, sig, args: builder.cttz(
        args[0], undefined_for_zero
    )


def _address(context: Any, builder: ir.IRBuilder, array_type: Any, array: Any, index: Any) -> ir.Value:
    """Where sixteen numbers begin in a flat float32 array; not checked against its length."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _FLOATS.as_pointer())


@_emitted
def load(typing_context: Any, array: Any, index: Any) -> Any:
    """Sixteen numbers of a flat float32 array from `index` on."""
    return floats(array, types.uintp), lambda context, builder, sig, args: builder.load(
        _address(context, builder, sig.args[0], *args), align=4
    )


@_emitted
def peek(typing_context: Any, array: Any, index: Any) -> Any:
    """One number of a flat float32 array, the index not checked for being counted from the end."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return builder.load(builder.gep(data, [args[1]]), align=4)

    return types.float32(array, types.uintp), emit


@_emitted
def store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Write the lanes to a flat float32 array from `index` on."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        builder.store(args[2], _address(context, builder, sig.args[0], *args[:2]), align=4)
        return context.get_dummy_value()

    return types.void(array, types.uintp, floats), emit


@_emitted
def load_channels(typing_context: Any, array: Any, index: Any) -> Any:
    """Three channels of sixteen pixels that lie pixel by pixel from `index` on."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        start = _address(context, builder, sig.args[0], *args)
        parts = [builder.load(builder.gep(start, [ir.Constant(_I32, part)]), align=4) for part in range(3)]
        # Interleaved r g b r g b … in three vectors; each channel is gathered by two shuffles
        channels = []
        for channel in range(3):
            places = [3 * pixel + channel for pixel in range(WIDTH)]
            two = [min(place, 2 * WIDTH - 1) for place in places]
            three = [at if place < 2 * WIDTH else place - WIDTH for at, place in enumerate(places)]
            channels.append(_pick(builder, _pick(builder, parts[0], parts[1], two), parts[2], three))
        return context.make_tuple(builder, sig.return_type, channels)

    return types.UniTuple(floats, 3)(array, types.uintp), emit


@_emitted
def store_channels(typing_context: Any, array: Any, index: Any, a: Any, b: Any, c: Any) -> Any:
    """Write three channels of sixteen pixels, pixel by pixel, from `index` on."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        start = _address(context, builder, sig.args[0], *args[:2])
        for part in range(3):
            places = [divmod(part * WIDTH + lane, 3) for lane in range(WIDTH)]
            two = [pixel + WIDTH * (channel == 1) for pixel, channel in places]
            three = [WIDTH + pixel if channel == 2 else at for at, (pixel, channel) in enumerate(places)]
            mixed = _pick(builder, _pick(builder, args[2], args[3], two), args[4], three)
            builder.store(mixed, builder.gep(start, [ir.Constant(_I32, part)]), align=4)
        return context.get_dummy_value()

    return types.void(array, types.uintp, floats, floats, floats), emit


@_emitted
def fetch_add(typing_context: Any, counter: Any) -> Any:
    """Take the next number from a shared int64 array of one: every thread gets another."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        # Relaxed order is enough: only the number itself is shared
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return builder.atomic_rmw("add", data, ir.Constant(ir.IntType(64), 1), "monotonic")

    return types.int64(counter), emit


@_emitted
def _eight_sums(typing_context: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any) -> Any:
    """As `eight_sums`."""

    def halves(builder: ir.IRBuilder, x: ir.Value, y: ir.Value, block: int) -> ir.Value:
        """In each block of lanes the lower half plus the upper half, those of `x` before those of `y`."""
        low = [lane for lane in range(2 * WIDTH) if lane % block < block // 2]
        high = [lane + block // 2 for lane in low]
        return builder.fadd(_pick(builder, x, y, low), _pick(builder, x, y, high))

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        # A butterfly of three rounds halves the vectors, so eight sums take seven additions
        parts, block = list(args), WIDTH
        while len(parts) > 1:
            pairs = zip(parts[::2], parts[1::2], strict=True)
            parts = [halves(builder, first, second, block) for first, second in pairs]
            block //= 2
        return halves(builder, parts[0], parts[0], block)

    return floats(*[floats] * 8), emit


@inlined
def eight_sums(parts: Any) -> Any:
    """The sums over lanes of eight vectors, in lanes 0 to 7 of one vector and again in 8 to 15."""
    return _eight_sums(*parts)
