"""What the tests have: the laptop system, receivers, a browser, and pages that let no error pass."""

import json
import pathlib
import sys
import urllib.request

import pytest
from playwright.sync_api import TimeoutError, sync_playwright

ROOT = pathlib.Path(__file__).parents[2]
sys.path.append(str(ROOT / ".ci/receiving"))

from laptop import Laptop, wait_for  # noqa: E402
from receiver import Receiver  # noqa: E402

OUTPUT = ROOT / "target/ci/console"
SCREENSHOTS = OUTPUT / "screenshots"
FILES = ROOT / "console"
PLATFORM_KEY = "sk_platform_local_development"
DESK, PHONE = {"width": 1280, "height": 860}, {"width": 375, "height": 760}
ALL = ["endpoints:read", "endpoints:write", "events:read", "events:resend", "secrets:read"]

# Told at once what the page's policy forbids. What hostile markup would do if it ran is call `hacked`.
WATCH = """
window.violations = [];
addEventListener("securitypolicyviolation", ({ violatedDirective, sample }) => violations.push(violatedDirective + " " + sample));
window.hacked = () => { window.wasHacked = true; };
"""


def pytest_addoption(parser):
    parser.addoption("--program", required=True, help="the program that runs Posthorn on a laptop")
    parser.addoption("--files", action="store_true", help="take the console's files from the working tree")


def run_laptop(request, *options):
    program = str(pathlib.Path(request.config.getoption("--program")).resolve())
    return Laptop(program, options=["--template", str(ROOT / "template.yaml"), *options])


@pytest.fixture(scope="session")
def laptop(request):
    with run_laptop(request) as running:
        yield running


@pytest.fixture(scope="module")
def locked(request):
    """A system that refuses requests without a key, as one on AWS does."""
    with run_laptop(request, "--require-keys") as running:
        yield running


@pytest.fixture(scope="session")
def receiver():
    return Receiver()


class Platform:
    """A platform's backend: acts for its customers, and makes links for them."""

    def __init__(self, api):
        self.api = api

    def call(self, method, path, body=None, account=None):
        headers = {"content-type": "application/json", "authorization": f"Bearer {PLATFORM_KEY}"}
        if account:
            headers["posthorn-account"] = account
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.api + path, method=method, headers=headers, data=data)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def endpoint(self, account, url, types=("*",), **more):
        body = {"url": url, "enabled_events": list(types), **more}
        return self.call("POST", "/api/webhook-endpoints?livemode=true", body, account)

    def publish(self, account, event_type, data, **more):
        return self.call("POST", "/api/events?livemode=true", {"type": event_type, "data": {"object": data}, **more}, account)

    def deliveries(self, account, event):
        """Returns the status of each delivery of an event, when no first attempt is due any more."""
        found = []

        def are_tried():
            try:
                read = self.call("GET", f"/api/events/{event['id']}?livemode=true", account=account)
            except urllib.error.HTTPError:
                return False
            found[:] = read["deliveries"]
            return all(one["attempts"] or one["status"] != "pending" for one in found)

        wait_for(are_tried, "the event was delivered")
        return {one["webhook_endpoint_id"]: one["status"] for one in found}

    def link(self, account, capabilities=ALL, **more):
        """Returns what follows the API's address in a portal's link."""
        body = {"account": account, "livemode": True, "capabilities": capabilities, **more}
        return "/" + self.call("POST", "/api/sessions", body)["url"][len(self.api) :].lstrip("/").removeprefix("console")


@pytest.fixture(scope="session")
def platform(laptop):
    return Platform(laptop.http)


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])


class Console:
    """A browser's window that shows the console."""

    def __init__(self, context, base):
        self.context, self.base = context, base
        self.errors, self.expected, self.pending = [], [], 0
        self.page = self.watched(context.new_page())

    def watched(self, page):
        page.on("console", self.note)
        page.on("pageerror", lambda error: self.errors.append(f"{error} {error.stack}"))
        page.on("request", lambda _: self.count(1))
        page.on("requestfinished", lambda _: self.count(-1))
        page.on("requestfailed", lambda _: self.count(-1))
        return page

    def note(self, message):
        # The page of a new event asks until the event is on record.
        is_early = "404" in message.text and "/api/events/evt_" in message.location["url"]
        if message.type in ("error", "warning") and not is_early:
            self.errors.append(message.text)

    def count(self, change):
        self.pending += change

    def open(self, path):
        """Opens a page of the console as a reader does who has its address."""
        if self.page.url != "about:blank":
            # Another address of the same page would not load it again.
            self.page.goto("about:blank")
        self.page.goto(self.base + path)
        self.settle()

    def go(self, path):
        """Goes to another page, as a link would."""
        self.page.evaluate("path => { location.hash = path; }", path)
        self.settle()

    def settle(self):
        """Waits until the page shows itself whole: it has a title, and nothing is being read."""
        self.page.locator("h1").first.wait_for()

        def is_whole():
            self.page.evaluate("() => new Promise(requestAnimationFrame)")
            return self.pending == 0 and self.page.locator(".skeleton").count() == 0

        wait_for(is_whole, f"{self.page.url} is read")

    def click(self, name, role="button"):
        self.page.get_by_role(role, name=name, exact=True).first.click()

    def confirm(self, name):
        """Presses the button of the dialog that is open, and waits until it has closed."""
        self.page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()
        self.page.get_by_role("dialog").wait_for(state="detached")

    def enter_with_key(self, key):
        """Enters as an operator does."""
        self.open("/#/key")
        self.page.locator("input[type=password]").fill(key)
        self.page.locator("button.primary").click()
        self.page.wait_for_url("**/#/accounts")
        self.settle()

    def sees(self, text):
        try:
            self.page.get_by_text(text).first.wait_for()
        except TimeoutError:
            pytest.fail(f"{text!r} is not on the page, but {self.page.locator('body').inner_text()!r}", pytrace=False)

    def heading(self):
        return self.page.locator("h1").inner_text()

    def screenshot(self, name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")

    def check_accessibility(self):
        """Fails if axe finds anything, at all its rules."""
        self.page.evaluate((OUTPUT / "node_modules/axe-core/axe.min.js").read_text() + ";0")
        found = self.page.evaluate("() => axe.run()")["violations"]
        what = [(one["id"], [node["html"] + " " + node["failureSummary"] for node in one["nodes"][:3]]) for one in found]
        assert not what, f"{self.page.url}: {what}"

    def check(self):
        """Fails if anything went wrong that nobody expected, or if markup ran."""
        for page in self.context.pages:
            assert not page.evaluate("window.wasHacked"), "markup ran"
            assert page.evaluate("window.violations") == []
        surprises = [error for error in self.errors if not any(text in error for text in self.expected)]
        assert surprises == []


@pytest.fixture
def window(browser, laptop, request):
    """Returns a function that opens a window. Each is checked when the test ends."""
    opened = []

    def open_window(scheme="light", locale="en-US", size=None, script="", base=laptop.http, in_frames=False):
        context = browser.new_context(color_scheme=scheme, locale=locale, viewport=size or DESK)
        context.set_default_timeout(20_000)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.add_init_script(WATCH + script)
        with_files = request.config.getoption("--files")
        if with_files:
            serve_files(context, base)
        if with_files or in_frames:
            serve_index(context, base, with_files, in_frames)
        opened.append(Console(context, base))
        return opened[-1]

    yield open_window
    for console in opened:
        console.check()
        console.context.close()


@pytest.fixture
def console(window):
    return window()


def serve_files(context, base):
    """Answers with the files of the working tree. The headers stay the program's."""

    def file(route):
        parts = route.request.url.split("/console/")[1].split("/")
        path = FILES.joinpath(*parts)
        route.fulfill(path=path if path.is_file() else FILES.joinpath(*parts[1:]))

    context.route(f"{base}/console/**", file)


def serve_index(context, base, with_files, in_frames):
    """Answers with the page of the working tree, or without the header that keeps it out of frames."""

    def page(route):
        answer = route.fetch()
        headers = {name: text for name, text in answer.headers.items() if not (in_frames and name == "content-security-policy")}
        body = (FILES / "index.html").read_text() if with_files else answer.text()
        route.fulfill(response=answer, headers=headers, body=body)

    context.route(lambda url: url.split("#")[0] == f"{base}/", page)
