"What a page must not be: alive. Shared by the tests that open pages in chromium."

# ruff: noqa: E501  (JavaScript)

from __future__ import annotations

import shutil
from typing import Any

CHROMIUM = shutil.which("chromium")
NEEDS = "needs chromium: apt-get install chromium"
FLAGS = [
    "--no-sandbox", "--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
LOOK = """() => ({
    live: document.querySelectorAll('script,iframe,frame,object,embed,form,input,button,textarea,select,link,base,svg,math,template,noscript,audio,video,portal').length
          + document.body.querySelectorAll('style,meta,title').length,
    on: [...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a => /^on|^style$|^srcdoc$|^srcset$|^action$|^xlink|^autofocus$/i.test(a.name))).length,
    out: [...document.querySelectorAll('[src],[href]')].map(e => e.getAttribute('src') || e.getAttribute('href'))
         .filter(a => !/^(data:image|#|[\\w.\\/-]+\\.html$)/.test(a)),
    hit: window.hit === 1 || null, text: document.body.innerText, title: document.title,
    images: [...document.images].every(i => i.naturalWidth > 0)})"""


class Watched:
    "A tab and all that it did: what it asked for, said and popped up."

    def __init__(self, opener: Any, **options: Any) -> None:
        self.tab = opener.new_page(**options)
        self.asked: list[str] = []
        self.said: list[str] = []
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.on("dialog", lambda dialog: (self.said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.tab.on("console", lambda message: self.said.append(message.text))
        self.tab.on("pageerror", lambda error: self.said.append(str(error)))
        self.tab.on("popup", lambda popup: self.said.append("popup"))

    def open(self, url: str, wait: float = 0) -> None:
        "Go there, with nothing remembered."
        self.asked.clear()
        self.said.clear()
        self.tab.goto(url)
        self.tab.wait_for_timeout(wait)

    def assert_quiet(self, url: str) -> None:
        "Only the page itself was asked for, and it said nothing."
        assert [address for address in self.asked if not address.startswith("data:")] == [url] and self.said == []

    def assert_dead(self, url: str) -> dict[str, Any]:
        "Nothing ran, and there is nothing that could; what was found is returned."
        self.assert_quiet(url)
        assert self.tab.url == url
        found = self.tab.evaluate(LOOK)
        assert found["live"] == 0 and found["on"] == 0 and found["out"] == [] and found["hit"] is None and found["images"], found
        return found
