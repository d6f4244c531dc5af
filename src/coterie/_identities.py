"""Objects that pickle knows by their names only: type variables, aliases of
types, new types, sentinels.

One whose name cannot be imported is made anew, once: it comes with a token, by
which it is known again.  What it refers to may refer to it, so that is filled in
later; type variables and aliases look it up when they are asked for it.
"""

from __future__ import annotations

import builtins
import sys

from coterie import _byvalue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Reducer = Callable[[Any], Any]

_KEPT = 1024
# Token -> the object, the last used ones; and back, by its id.
_objects: dict[int, Any] = {}
_tokens: dict[int, int] = {}
# id(object) -> what has to be filled in.
_unfilled: dict[int, Later] = {}


class Later:
    """Where a type variable or alias looks when it is asked."""

    default: Any
    bound: Any
    constraints: Any
    value: Any


def _note(token: int, obj: Any) -> None:
    if len(_objects) >= _KEPT:
        oldest = _objects.pop(next(iter(_objects)))
        _tokens.pop(id(oldest), None)
        _unfilled.pop(id(oldest), None)
    _objects[token] = obj
    _tokens[id(obj)] = token


def _find(token: int) -> Any:
    obj = _objects.pop(token, None)
    if obj is not None:
        _objects[token] = obj  # the last one used
    return obj


def _reduce(obj: Any, kind: str, arguments: tuple[Any, ...], later: Any) -> Any:
    token = _tokens.get(id(obj))
    if token is None or _find(token) is None:
        token = _byvalue.new_token()
        _note(token, obj)
    module = getattr(obj, "__module__", None)
    return make, (token, kind, module, *arguments), later or None, None, None, fill


def make(token: int, kind: str, module: str | None, *arguments: Any) -> Any:
    obj = _find(token)
    if obj is None:
        later = Later()
        obj = _MAKERS[kind](module, later, *arguments)  # type: ignore[operator]
        _note(token, obj)
        _unfilled[id(obj)] = later
    return obj


def fill(obj: Any, values: dict[str, Any]) -> None:
    later = _unfilled.pop(id(obj), None)
    if later is not None:
        later.__dict__.update(values)
        if "supertype" in values:
            obj.__supertype__ = values["supertype"]


def _is_importable(obj: Any, name: str) -> bool:
    module = getattr(obj, "__module__", None)
    return (
        type(module) is str
        and _byvalue.find(module, name) is obj
        and _byvalue.reducing().can_import(sys.modules[module])
    )


def _evaluate(obj: Any, *names: str) -> dict[str, Any]:
    """Those of its attributes that can be evaluated by now."""
    values = {}
    for name in names:
        try:
            value = getattr(obj, f"__{name}__")
        except Exception:
            continue
        if value is not None and value != ():
            values[name] = value
    return values


def _run(source: str, module: str | None, later: Later) -> Any:
    namespace = {"__name__": module, "later": later}
    exec(source, namespace)
    return namespace["it"]


# ---- type variables -------------------------------------------------------------


def _scrap[T, *Ts, **P]() -> None: ...


type _Alias = int

_VARIABLES = dict(zip(("", "*", "**"), map(type, _scrap.__type_params__), strict=True))
_STARS = {cls: stars for stars, cls in _VARIABLES.items()}


def _reduce_variable(obj: Any) -> Any:
    if _is_importable(obj, obj.__name__):
        return obj.__name__
    stars = _STARS[type(obj)]
    flags = {
        name: True
        for name in ("covariant", "contravariant", "infer_variance")
        if getattr(obj, f"__{name}__", False)
    }
    names = ["default"] if obj.has_default() else []
    later = _evaluate(obj, *names, *(() if stars else ("bound", "constraints")))
    shape = tuple(later), len(later.get("constraints", ()))
    return _reduce(obj, "variable", (obj.__name__, stars, flags, shape), later)


def _make_variable(
    module: str | None,
    later: Later,
    name: str,
    stars: str,
    flags: dict[str, bool],
    shape: tuple[tuple[str, ...], int],
) -> Any:
    names, constraints_len = shape
    if not names or not name.isidentifier():
        obj = _VARIABLES[stars](name, **flags)
    else:
        source = f"{stars}{name}"
        if "bound" in names:
            source += ": later.bound"
        if constraints_len:
            each = [f"later.constraints[{i}]" for i in range(constraints_len)]
            source += f": ({', '.join(each)})"
        if "default" in names:
            source += " = later.default"
        source = f"def f[{source}](): ...\nit = f.__type_params__[0]"
        obj = _run(source, module, later)
    obj.__module__ = module
    return obj


# ---- aliases, new types, sentinels ------------------------------------------------


def _reduce_alias(obj: Any) -> Any:
    if _is_importable(obj, obj.__name__):
        return obj.__name__
    values = _evaluate(obj, "value")
    params = obj.__type_params__
    if params and values:
        return _reduce(obj, "alias", (obj.__name__, params, values["value"]), None)
    return _reduce(obj, "alias", (obj.__name__,), values)


def _make_alias(
    module: str | None, later: Later, name: str, params: Any = (), value: Any = None
) -> Any:
    if not params and name.isidentifier():
        return _run(f"type {name} = later.value\nit = {name}", module, later)
    namespace = {"__name__": module, "make": type(_Alias), "params": params}
    namespace |= {"value": value, "name": name}
    exec("it = make(name, value, type_params=params)", namespace)
    return namespace["it"]


def _reduce_new_type(obj: Any) -> Any:
    if _is_importable(obj, obj.__qualname__):
        return obj.__qualname__
    values = {"supertype": obj.__supertype__}
    return _reduce(obj, "new type", (obj.__name__, obj.__qualname__), values)


def _make_new_type(module: str | None, later: Later, name: str, qualname: str) -> Any:
    from typing import NewType

    obj = NewType(name, object)  # type: ignore[misc]
    obj.__qualname__ = qualname
    obj.__module__ = module  # type: ignore[assignment]
    return obj


def _reduce_sentinel(obj: Any) -> Any:
    if _is_importable(obj, obj.__name__):
        return obj.__name__
    return _reduce(obj, "sentinel", (obj.__name__, repr(obj)), None)


def _make_sentinel(module: str | None, later: Later, name: str, text: str) -> Any:
    obj = _SENTINEL(name, **({} if text == name else {"repr": text}))
    obj.__module__ = module
    return obj


_MAKERS = {
    "variable": _make_variable,
    "alias": _make_alias,
    "new type": _make_new_type,
    "sentinel": _make_sentinel,
}

_SENTINEL: Any = getattr(builtins, "sentinel", None)  # 3.15

_REDUCERS: dict[type, Reducer] = {
    type(_Alias): _reduce_alias,
    **dict.fromkeys(_STARS, _reduce_variable),
}
if _SENTINEL is not None:
    _REDUCERS[_SENTINEL] = _reduce_sentinel

# Of classes that are there only if somebody has imported them.
_REDUCERS_BY_NAME: dict[tuple[str, str], Reducer] = {
    ("typing", "NewType"): _reduce_new_type,
}


def reducers() -> dict[type, Reducer]:
    """Class -> function, as for a dispatch table of pickle."""
    for (module, name), reducer in list(_REDUCERS_BY_NAME.items()):
        cls = getattr(sys.modules.get(module), name, None)
        if cls is not None:
            _REDUCERS[cls] = reducer
            del _REDUCERS_BY_NAME[module, name]
    return _REDUCERS
