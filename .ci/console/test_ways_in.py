"""How readers get in, what they may do, and how it ends."""

import json

import pytest
from conftest import ALL, PHONE, PLATFORM_KEY, wait_for

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
    console.enter_with_key(PLATFORM_KEY)
    kept = console.page.evaluate("JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie, location.href])")
    assert "ss_" in kept
    assert PLATFORM_KEY not in kept


def test_a_wrong_key_is_refused_in_the_apis_words(console):
    console.expected = ["401"]
    console.open("/#/key")
    console.page.get_by_label("API key").fill("sk_live_wrong")
    console.click("Enter")
    console.sees("This API key is unknown, expired or revoked. Use another one.")


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
    assert not {"Add endpoint", "Pause deliveries", "Disable", "Delete", "Send test event", "Signing secret", "Recover", "Settings", "Publish"} & set(names)
    assert "sesame" not in reader.page.content()

    owner = window()
    owner.open(platform.link(ACCOUNT, ALL))
    owner.page.locator("a.row").first.click()
    owner.page.get_by_role("button", name="Pause deliveries").wait_for()


def test_a_session_brings_a_colour_where_it_can_be_read_and_a_logo(console, platform, endpoint):
    console.open(platform.link(ACCOUNT, appearance={"color": "#0b5d1e", "logo": LOGO}))
    style = "document.documentElement.style.getPropertyValue"
    assert console.page.evaluate(f"{style}('--accent-light')") == "#0b5d1e"
    assert console.page.evaluate(f"{style}('--accent-dark')") == ""
    assert console.page.locator(".brand img").evaluate("image => image.naturalWidth") == 1
    console.check_accessibility()
    console.screenshot("themed")
    console.page.set_viewport_size(PHONE)
    assert console.page.locator(".brand img").is_visible()
    # Another session brings none.
    console.open(platform.link(ACCOUNT))
    console.sees(endpoint["url"])
    assert console.page.evaluate(f"{style}('--accent-light')") == ""


def test_without_a_key_nothing_opens_and_an_empty_field_says_so(window, locked):
    console = window(base=locked.http)
    console.expected = ["401"]
    console.open("/")
    console.click("Enter")
    console.sees("Paste a key.")
    console.page.get_by_label("API key").fill(PLATFORM_KEY)
    console.click("Enter")
    console.sees("No endpoint is down, failing, paused or disabled.")
    console.go("/key")
    console.page.get_by_label("API key").fill(" ")
    console.click("Enter")
    console.sees("Paste a key.")
    console.click("Accounts", "link")
    console.sees("No endpoint is down, failing, paused or disabled.")


def answer(status):
    busy = {"status": status, "code": "unavailable", "detail": f"Busy with {status}."}
    return lambda route: route.fulfill(status=status, json=busy)


def test_a_link_is_not_lost_with_the_connection(console, platform, endpoint):
    console.expected = ["ERR_FAILED", "503", "429"]
    console.page.route("**/api/sessions/exchange", lambda route: route.abort())
    console.open(platform.link(ACCOUNT))
    console.sees("The API can't be reached.")
    for status in (503, 429):
        console.page.unroute("**/api/sessions/exchange")
        console.page.route("**/api/sessions/exchange", answer(status))
        console.click("Try again")
        console.sees(f"Busy with {status}.")
    console.page.unroute("**/api/sessions/exchange")
    console.click("Try again")
    console.sees(endpoint["url"])


def test_a_link_that_this_tab_has_used_opens_its_session_again(console, platform, endpoint):
    console.expected = ["410"]
    link = platform.link(ACCOUNT)
    console.open(link)
    console.sees(endpoint["url"])
    console.open(link)
    console.sees(endpoint["url"])
    console.sees(ACCOUNT)


def test_a_new_tab_gets_the_session_that_its_page_is_for(console, platform, endpoint):
    # Whoever left is the laptop's own account, which has no such endpoint.
    console.expected = ["404"]
    console.open(platform.link(ACCOUNT))
    console.sees(ACCOUNT)
    operator = another(console, "/#/key")
    operator.get_by_label("API key").fill(PLATFORM_KEY)
    operator.get_by_role("button", name="Enter").click()
    operator.wait_for_url("**/#/accounts")

    of_operator = another(console, f"/#/endpoints/{endpoint['id']}?account={ACCOUNT}")
    of_operator.get_by_role("link", name="Portal links").wait_for()
    of_customer = another(console, f"/#/endpoints/{endpoint['id']}")
    of_customer.get_by_role("heading", name=endpoint["url"]).wait_for()
    assert of_customer.get_by_role("link", name="Accounts").count() == 0
    # Nobody can know which one is meant. The laptop needs none.
    another(console, "/").get_by_text("Use a key").wait_for()

    operator.get_by_role("button", name="Leave").click()
    of_operator.get_by_text("Use a key").wait_for()
    # Whoever left is nobody else now.
    operator.get_by_text("Use a key").wait_for()
    assert console.page.evaluate("sessionStorage.getItem('session')") is not None, "the customer's session goes on"
    assert of_customer.evaluate("sessionStorage.getItem('session')") is not None


def another(console, path):
    tab = console.watched(console.context.new_page())
    tab.goto(console.base + path)
    return tab


def test_a_late_refusal_of_an_earlier_session_ends_no_other(console, platform, endpoint):
    console.expected = ["401"]
    console.open(platform.link(ACCOUNT))
    console.sees(endpoint["url"])
    late = []
    console.page.route("**/api/events?**", lambda route: late.append(route))
    console.click("Events", "link")
    wait_for(lambda: console.page.evaluate("1") and late, "the events are asked for")
    console.page.evaluate("location.hash = '/key'")
    console.page.get_by_label("API key").fill(PLATFORM_KEY)
    console.click("Enter")
    console.sees("Need attention now")
    late[0].fulfill(status=401, json={"status": 401, "code": "unknown_api_key", "detail": "Use another API key."})
    console.settle()
    assert console.heading() == "Accounts"


@pytest.mark.parametrize("is_framed", [False, True])
def test_whoever_leaves_gets_back_to_the_platforms_page(window, platform, endpoint, is_framed):
    console = window(in_frames=is_framed)
    console.page.route(f"{BACK}*", lambda route: route.fulfill(body="<h1>Ours</h1>", content_type="text/html"))
    link = platform.link(ACCOUNT, return_url=BACK)
    if is_framed:
        around = f"<iframe src='{console.base}{link}' width='1000' height='700'></iframe>"
        console.page.route(f"{console.base}/ours", lambda route: route.fulfill(body=around, content_type="text/html"))
        console.page.goto(f"{console.base}/ours")
        console.page.frame_locator("iframe").get_by_role("button", name="Leave").click()
    else:
        console.open(link)
        console.click("Leave")
    console.page.wait_for_url(f"{BACK}*")
    console.page.get_by_role("heading", name="Ours").wait_for()


def test_without_a_clipboard_the_page_says_so(window, platform, endpoint):
    console = window(script="Object.defineProperty(navigator, 'clipboard', { value: undefined });")
    console.open(platform.link(ACCOUNT))
    console.page.locator("a.row").first.click()
    console.settle()
    console.page.locator(".copyable").first.click()
    console.sees("The browser did not allow copying.")
