"""Opens pages in a headless browser, in a process of its own: JSON in, JSON out.

In: ``{"widths": [1280, 390], "visits": [{"url": ..., "script": ...}]}``; a script is JavaScript, its value text.
Out: a list of ``{"errors": [...], "overflow": [...], "value": ...}``, overflow in pixels at each width.
Playwright's Chromium is taken where it starts, Qt WebEngine of PySide6 or PyQt6 otherwise; without any, exit status 3.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
HEIGHT = 900
SETTLED = 150  #: Milliseconds for scripts and for a new layout.
NONE = 3


def by_playwright(visits: list[dict[str, str]], widths: list[int]) -> list[dict[str, Any]] | None:
    """Return what is seen; None where Playwright or its Chromium is missing."""
    try:
        api: Any = importlib.import_module("playwright.sync_api")
    except ImportError:
        return None
    with api.sync_playwright() as playwright:
        if not os.path.exists(playwright.chromium.executable_path):
            return None
        browser = playwright.chromium.launch()
        seen = []
        for visit in visits:
            page, errors = browser.new_page(), []
            page.on("console", lambda message, to=errors: to.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error, to=errors: to.append(str(error)))
            page.goto(visit["url"])
            overflow = []
            for width in widths:
                page.set_viewport_size({"width": width, "height": HEIGHT})
                page.wait_for_timeout(SETTLED)
                overflow.append(page.evaluate(OVERFLOW))
            seen.append({"errors": errors, "overflow": overflow, "value": page.evaluate(visit.get("script", "''"))})
            page.close()
        browser.close()
    return seen


def by_qt(visits: list[dict[str, str]], widths: list[int]) -> list[dict[str, Any]] | None:
    """Return what is seen; None where no package of Qt has its browser."""
    os.environ.update(QT_QPA_PLATFORM="offscreen", QTWEBENGINE_DISABLE_SANDBOX="1")
    os.environ.setdefault("QTWEBENGINE_CHROMIUM_FLAGS", "--disable-gpu")
    for package in ("PySide6", "PyQt6"):
        try:
            core, gui, web, views = (
                importlib.import_module(f"{package}.{name}")
                for name in ("QtCore", "QtWidgets", "QtWebEngineCore", "QtWebEngineWidgets")
            )
            break
        except ImportError:
            continue
    else:
        return None
    app = gui.QApplication([])
    errors: list[str] = []

    class Page(web.QWebEnginePage):  # type: ignore[name-defined]
        def javaScriptConsoleMessage(self, level: Any, message: str, line: int, source: str) -> None:
            if level == web.QWebEnginePage.JavaScriptConsoleMessageLevel.ErrorMessageLevel:
                errors.append(f"{message} ({source}, line {line})")

    view = views.QWebEngineView()
    page = Page(view)
    view.setPage(page)
    view.show()
    seen: list[dict[str, Any]] = []

    def steps() -> Iterator[None]:
        """Visit all pages; each yield waits until what was asked for calls :func:`go_on`."""
        for visit in visits:
            errors.clear()
            view.resize(widths[0], HEIGHT)
            page.load(core.QUrl(visit["url"]))
            yield
            overflow: list[int] = []
            for width in widths:
                view.resize(width, HEIGHT)
                core.QTimer.singleShot(SETTLED, go_on)
                yield
                page.runJavaScript(OVERFLOW, lambda value, to=overflow: (to.append(value), go_on()))
                yield
            values: list[Any] = []
            page.runJavaScript(visit.get("script", "''"), lambda value, to=values: (to.append(value), go_on()))
            yield
            seen.append({"errors": list(errors), "overflow": overflow, "value": values[0]})

    running = steps()

    def go_on(*_: Any) -> None:
        if next(running, app) is app:
            app.quit()

    page.loadFinished.connect(go_on)
    core.QTimer.singleShot(0, go_on)
    app.exec()
    return seen


def main() -> int:
    """Read the visits, and print what is seen."""
    asked = json.load(sys.stdin)
    for engine in (by_playwright, by_qt):
        seen = engine(asked["visits"], asked["widths"])
        if seen is not None:
            print(json.dumps(seen), flush=True)
            os._exit(0)  # Qt may complain about the order in which its objects end
    return NONE


if __name__ == "__main__":
    sys.exit(main())
