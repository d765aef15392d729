"""Dataclasses to JSON-ready data and back, by their type hints."""

import types
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from calibration.estimate import Estimate
from calibration.report.data import SCHEMA, ReportData

T = TypeVar("T")


def encode(value: Any) -> Any:
    """Turn dataclasses, estimates, lists and dicts into plain JSON-ready data.

    Args:
        value: A tree of dataclasses, dicts, lists, numbers and text.

    Returns:
        The same of dicts, lists, numbers and text alone.
    """
    if isinstance(value, Estimate):
        return value.as_dict()
    if is_dataclass(value):
        return {item.name: encode(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, dict):
        return {key: encode(each) for key, each in value.items()}
    if isinstance(value, list):
        return [encode(each) for each in value]
    return value


def decode_report(content: Any) -> ReportData:
    """Rebuild a report from what `encode` gave, as read from report.json.

    Args:
        content: Decoded JSON.

    Returns:
        The report.

    Raises:
        ValueError: If the schema is another, or something is missing or of a wrong
            kind; the message says where.
    """
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        found = content.get("schema") if isinstance(content, dict) else content
        raise ValueError(f"schema of a report must be {SCHEMA}, got {found!r}.")
    report: ReportData = _decode(ReportData, content, "report")
    return report


def _decode(kind: Any, value: Any, place: str) -> Any:
    origin = get_origin(kind)
    if origin in {Union, types.UnionType}:
        return None if value is None else _decode(_not_none(kind), value, place)
    if kind is Estimate or is_dataclass(kind):
        return _decode_object(kind, _checked(value, dict, place), place)
    if origin is list:
        (item,) = get_args(kind)
        rows = enumerate(_checked(value, list, place))
        return [_decode(item, each, f"{place}[{i}]") for i, each in rows]
    if origin is dict:
        item = get_args(kind)[1]
        pairs = _checked(value, dict, place).items()
        return {key: _decode(item, each, f"{place}.{key}") for key, each in pairs}
    if kind is float:
        return float(_checked(value, (int, float), place))
    return _checked(value, kind, place)


def _not_none(kind: Any) -> Any:
    (wanted,) = (each for each in get_args(kind) if each is not type(None))
    return wanted


def _decode_object(kind: Any, content: dict[str, Any], place: str) -> Any:
    if kind is Estimate:
        hints: dict[str, Any] = {"value": float, "low": float, "high": float}
        hints |= {"count": int, "method": str}
        needed = set(hints)
    else:
        hints = get_type_hints(kind)
        needed = {
            item.name
            for item in fields(kind)
            if item.default is MISSING and item.default_factory is MISSING
        }
    unknown, missing = set(content) - set(hints), needed - set(content)
    if unknown or missing:
        raise ValueError(
            f"{place} must have the keys {', '.join(sorted(hints))}, "
            f"got {', '.join(sorted(content)) or 'none'}."
        )
    values = {k: _decode(hints[k], v, f"{place}.{k}") for k, v in content.items()}
    return kind(**values)


def _checked(value: Any, kind: Any, place: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        name = getattr(kind, "__name__", "number")
        raise ValueError(f"{place} must be of type {name}, got {value!r}.")
    return value
