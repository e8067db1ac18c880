"""What the console's files must be, which needs no browser to see."""

import json
import pathlib
import re
import subprocess
import urllib.request

FILES = pathlib.Path(__file__).parents[2] / "console"
SCRIPTS = {path.relative_to(FILES).as_posix(): path.read_text() for path in FILES.rglob("*.js")}
KEYS = """
const keys = (words, path = "") => Object.entries(words).flatMap(([key, value]) =>
  typeof value === "object" ? keys(value, `${path}${key}.`) : [`${path}${key} ${typeof value}`]);
const dictionaries = await Promise.all(["en", "zh"].map((code) => import(`./words/${code}.js`)));
console.log(JSON.stringify(dictionaries.map((dictionary) => keys(dictionary.default).sort())));
"""


def test_all_files_together_are_small():
    sizes = {path: path.stat().st_size for path in FILES.rglob("*") if path.is_file() and path.suffix != ".json"}
    assert sum(sizes.values()) <= 200 * 1024, sizes


def test_no_dictionary_lacks_a_word_of_the_other():
    node = subprocess.run(["node", "--input-type=module", "-e", KEYS], cwd=FILES, check=True, capture_output=True)
    english, chinese = json.loads(node.stdout)
    assert english == chinese
    assert len(english) > 200


def test_every_word_is_used():
    used = "\n".join(text for name, text in SCRIPTS.items() if not name.startswith("words/"))
    keys = re.findall(r"^  (\w+):", SCRIPTS["words/en.js"], re.MULTILINE)
    assert [key for key in keys if not re.search(rf"\bw\.{key}\b|\"{key}\"", used)] == []


def test_the_console_calls_only_routes_that_the_api_has(laptop):
    with urllib.request.urlopen(f"{laptop.http}/api/openapi.json") as answer:
        document = json.load(answer)
    has = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    calls = set(re.findall(r"call(?:ForText)?\(\s*\"([A-Z]+)\", \"(/api[^\"]*)\"", SCRIPTS["routes.js"]))
    assert len(calls) == SCRIPTS["routes.js"].count("export const")
    assert sorted(calls - has) == []


def test_only_one_file_speaks_to_the_api_and_one_fetches_the_files():
    assert sorted(name for name, text in SCRIPTS.items() if re.search(r"\bfetch\(|XMLHttpRequest|WebSocket|EventSource", text)) == ["api.js", "start.js"]


def test_nothing_is_made_from_markup_or_text():
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc|\beval\(|new Function|setAttribute\(\"(on|style)"
    assert [name for name, text in SCRIPTS.items() if re.search(forbidden, text)] == []


def test_nothing_comes_from_elsewhere():
    texts = [path.read_text() for path in FILES.rglob("*") if path.suffix in (".html", ".css")]
    assert not any(re.search(r"https?:|url\(|@import|<style|\sstyle=|\son\w+=", text) for text in texts)
    # What verify.js shows is the code of receivers.
    scripts = "\n".join(text for name, text in SCRIPTS.items() if name != "verify.js")
    imports = re.findall(r"^(?:import|} from) .*\"(.*)\"", scripts, re.MULTILINE)
    assert len(imports) > 100
    assert [name for name in imports if not name.startswith(".")] == []
