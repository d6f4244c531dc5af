"""What to say of an extension module that refuses to load in an interpreter.

CPython's own message names the extension module, which few users have heard of,
and the package that they imported often puts an ImportError of its own around
it.  The explanation is a note: type, message, name and path of the exception
stay as they were.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, TracebackType

_BEFORE = "module "
_AFTER = " does not support loading in subinterpreters"

_CANNOT = "cannot be imported in this interpreter"
_WHAT_TO_DO = (
    "Import it in the main interpreter, in another process, or in an "
    "interpreter that shares the GIL of the main one: "
    'coterie.interpreters.create(gil="shared"), with import_check=False for a '
    "module that refuses this too (its C globals are shared then)."
)


def explain(exc: ImportError) -> None:
    """Add a note to *exc* if it comes of a refusal, unless it has one."""
    links: list[BaseException] = []
    for link in _chain(exc):
        if any(_CANNOT in str(note) for note in getattr(link, "__notes__", ())):
            return
        links.append(link)
        refused = _refused_by(link)
        if refused:
            exc.add_note(_explanation(_imported(links) or refused, refused))
            return


def refused(exc: ImportError) -> tuple[str, str] | None:
    """What was imported, and the extension module that refused; None: no refusal."""
    links: list[BaseException] = []
    for link in _chain(exc):
        links.append(link)
        module = _refused_by(link)
        if module:
            return _imported(links) or module, module
    return None


def _explanation(imported: str, refused: str) -> str:
    why = "it" if imported == refused else f"its extension module {refused!r}"
    if refused.partition(".")[0] != imported.partition(".")[0]:
        why = f"{refused!r}, which it imports,"
    return (
        f"{imported!r} {_CANNOT}: {why} does not support interpreters "
        f"with a GIL of their own. {_WHAT_TO_DO}"
    )


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """*exc*, and what it came of; what `from None` hides as well."""
    seen: set[int] = set()
    link: BaseException | None = exc
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        cause = link.__cause__
        link = link.__context__ if cause is None else cause


def _refused_by(exc: BaseException) -> str | None:
    """The extension module that CPython refused to load, if *exc* says so."""
    if not isinstance(exc, ImportError) or not isinstance(exc.msg, str):
        return None
    if not exc.msg.startswith(_BEFORE) or not exc.msg.endswith(_AFTER):
        return None
    return exc.msg[len(_BEFORE) : -len(_AFTER)]


def _imported(links: list[BaseException]) -> str | None:
    """The outermost module that was being imported."""
    for link in links:
        for frame in _frames(link.__traceback__):
            if _is_import(frame):
                return str(frame.f_globals["__name__"])
    name = getattr(links[0], "name", None)
    return name if isinstance(name, str) else None


def _frames(traceback: TracebackType | None) -> Iterator[FrameType]:
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def _is_import(frame: FrameType) -> bool:
    """Whether the frame is the body of a module, not of a script or exec()."""
    code = frame.f_code
    if code.co_name != "<module>" or code.co_filename.startswith("<"):
        return False
    spec = frame.f_globals.get("__spec__")
    name = frame.f_globals.get("__name__")
    return spec is not None and getattr(spec, "name", None) == name
