"""How readers get in, what they may do, and how it ends."""

import json

import pytest
from conftest import ALL, PLATFORM_KEY

ACCOUNT = "cust_ways"
BACK = "https://app.example.com/webhooks"
LOGO = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture(scope="module")
def endpoint(platform, receiver):
    return platform.endpoint(ACCOUNT, receiver.url("/ways"), headers={"X-Api-Key": "sesame"})


def test_a_link_begins_a_session_and_its_code_leaves_no_trace(console, platform, endpoint):
    link = platform.link(ACCOUNT)
    console.open(link)
    console.sees(endpoint["url"])
    console.sees(ACCOUNT)
    assert "code" not in console.page.url
    console.page.go_back()
    assert "code" not in console.page.url


def test_a_link_that_was_used_says_so_and_leads_back(window, platform, endpoint):
    link = platform.link(ACCOUNT, return_url=BACK)
    window().open(link)
    second = window()
    second.expected = ["410"]
    second.open(link)
    second.sees("This link was used already")
    assert second.page.get_by_role("link", name="Get a new link").get_attribute("href") == BACK
    second.check_accessibility()
    second.screenshot("link-used")


def test_a_pasted_key_becomes_a_session_and_is_kept_nowhere(console):
    console.open("/#/key")
    console.page.get_by_label("API key").fill(PLATFORM_KEY)
    console.click("Enter")
    console.sees("Need attention now")
    kept = console.page.evaluate("JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie, location.href])")
    assert "ss_" in kept
    assert PLATFORM_KEY not in kept


def test_a_wrong_key_is_refused_in_the_apis_words(console):
    console.expected = ["401"]
    console.open("/#/key")
    console.page.get_by_label("API key").fill("sk_live_wrong")
    console.click("Enter")
    console.sees("API key")
    console.page.locator(".error:not(:empty), .refused").first.wait_for()


def test_a_new_tab_gets_the_session_of_an_open_one(console, platform, endpoint):
    console.open(platform.link(ACCOUNT))
    tab = console.watched(console.context.new_page())
    tab.goto(f"{console.base}/#/endpoints/{endpoint['id']}")
    tab.get_by_role("heading", name=endpoint["url"]).wait_for()
    tab.get_by_text(ACCOUNT).first.wait_for()


def test_leaving_ends_the_session_in_all_tabs(console, platform, endpoint):
    console.open(platform.link(ACCOUNT))
    console.sees(ACCOUNT)
    tab = console.watched(console.context.new_page())
    tab.goto(f"{console.base}/")
    tab.get_by_text(ACCOUNT).first.wait_for()
    console.click("Leave")
    # The laptop needs no key, so what is left is its own account.
    tab.get_by_text("Use a key").wait_for()
    console.sees("Use a key")


def test_where_storage_is_refused_the_session_lasts_as_long_as_the_page(window, platform, endpoint):
    refuse = """for (const name of ["sessionStorage", "localStorage"])
      Object.defineProperty(window, name, { get() { throw new DOMException("refused", "SecurityError"); } });"""
    console = window(script=refuse)
    console.open(platform.link(ACCOUNT))
    console.sees(endpoint["url"])
    console.click("Events", "link")
    console.sees("No events yet.")


def test_a_session_that_ends_says_so_and_leads_back(console, platform, endpoint):
    console.expected = ["401"]
    console.open(platform.link(ACCOUNT, return_url=BACK))
    console.sees(endpoint["url"])
    problem = {"status": 401, "code": "unknown_api_key", "detail": "Use another API key."}
    console.page.route("**/api/**", lambda route: route.fulfill(status=401, body=json.dumps(problem)))
    console.click("Events", "link")
    console.sees("Your session has ended")
    assert console.page.get_by_role("link", name="Get a new link").get_attribute("href") == BACK
    console.check_accessibility()
    console.screenshot("session-ended")


def test_what_a_session_may_not_do_is_not_shown(window, platform, endpoint):
    reader = window()
    reader.open(platform.link(ACCOUNT, ["endpoints:read", "events:read"]))
    reader.sees(endpoint["url"])
    reader.page.locator("a.row").first.click()
    reader.sees("X-Api-Key")
    names = reader.page.get_by_role("button").all_inner_texts() + reader.page.get_by_role("link").all_inner_texts()
    assert not {"Add endpoint", "Pause", "Disable", "Delete", "Send test event", "Signing secret", "Recover", "Settings", "Publish"} & set(names)
    assert "sesame" not in reader.page.content()

    owner = window()
    owner.open(platform.link(ACCOUNT, ALL))
    owner.page.locator("a.row").first.click()
    owner.page.get_by_role("button", name="Pause").wait_for()


def test_a_session_brings_a_colour_where_it_can_be_read_and_a_logo(console, platform, endpoint):
    def themed(route):
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "appearance": {"color": "#0b5d1e", "logo": LOGO}})

    console.page.route("**/api/sessions/exchange", themed)
    console.open(platform.link(ACCOUNT))
    style = "document.documentElement.style.getPropertyValue"
    assert console.page.evaluate(f"{style}('--accent-light')") == "#0b5d1e"
    assert console.page.evaluate(f"{style}('--accent-dark')") == ""
    assert console.page.locator(".brand img").evaluate("image => image.naturalWidth") == 1
    console.check_accessibility()
    console.screenshot("themed")
