"""Using the console: by keyboard, while things change, and when they fail."""

import json

import pytest
from conftest import wait_for

ACCOUNT = "cust_use"


@pytest.fixture
def portal(window, platform, receiver):
    """A window with a session of an account that has an endpoint."""
    if not platform.call("GET", "/api/webhook-endpoints?livemode=true", account=ACCOUNT)["list"]:
        platform.endpoint(ACCOUNT, receiver.url("/use"))
    console = window()
    console.open(platform.link(ACCOUNT))
    console.page.locator("a.row").first.wait_for()
    return console


def focused(console):
    return console.page.evaluate("document.activeElement.innerText")


def test_the_keyboard_alone_leads_from_the_list_to_an_endpoint_and_back(portal):
    portal.page.keyboard.press("Tab")
    portal.page.keyboard.press("Enter")
    assert focused(portal) == "Endpoints"
    portal.page.locator("a.row").first.focus()
    portal.page.keyboard.press("Enter")
    portal.page.wait_for_url("**/#/endpoints/wh_*")
    portal.settle()
    assert focused(portal) == portal.heading()
    portal.page.go_back()
    portal.page.get_by_role("heading", name="Endpoints", exact=True).wait_for()
    portal.settle()
    assert focused(portal) == "Endpoints"


def test_a_dialog_gives_the_focus_back(portal):
    portal.page.locator("a.row").first.click()
    portal.page.get_by_role("button", name="Disable").focus()
    portal.page.keyboard.press("Enter")
    portal.page.get_by_role("dialog").wait_for()
    portal.page.keyboard.press("Escape")
    portal.page.get_by_role("dialog").wait_for(state="detached")
    assert focused(portal) == "Disable"


def test_an_endpoint_is_paused_resumed_disabled_and_enabled(portal):
    portal.page.locator("a.row").first.click()
    portal.click("Pause")
    portal.sees("its events are held until you resume it")
    portal.click("Resume")
    portal.sees("0 deliveries are held.")
    portal.page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    portal.page.get_by_role("button", name="Pause").wait_for()
    portal.click("Disable")
    portal.page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    portal.click("Enable")
    portal.page.get_by_role("button", name="Pause").wait_for()


def test_an_endpoint_is_deleted_only_by_its_name(portal, platform, receiver):
    doomed = platform.endpoint(ACCOUNT, receiver.url("/doomed"))
    portal.go(f"/endpoints/{doomed['id']}")
    portal.click("Delete")
    confirm = portal.page.get_by_role("dialog").get_by_role("button", name="Delete")
    assert confirm.is_disabled()
    portal.page.get_by_role("dialog").get_by_role("textbox").fill(receiver.url("").removeprefix("http://"))
    confirm.click()
    portal.page.wait_for_url("**/#/endpoints")
    portal.settle()
    assert portal.page.get_by_text("/doomed").count() == 0


def test_an_endpoint_gets_types_headers_and_notes(portal, receiver):
    portal.click("Add endpoint", "link")
    portal.page.get_by_label("URL").fill(receiver.url("/picky"))
    portal.page.get_by_label("Only these:").check()
    portal.page.get_by_label("Search, or write your own").fill("customer.subscription")
    portal.page.get_by_label("customer.* all with this prefix").click()
    portal.page.get_by_label("Search, or write your own").fill("parcel.lost")
    portal.click("Add parcel.lost")
    portal.page.get_by_role("button", name="Add: Headers").click()
    portal.page.get_by_label("Headers: Name").fill("X-Gate")
    portal.page.get_by_label("Headers: Value").fill("open")
    portal.click("Add endpoint")
    portal.sees("whsec_")
    portal.click("Go to the endpoint", "link")
    for text in ("customer.*", "parcel.lost", "X-Gate"):
        portal.sees(text)


def test_a_secret_is_shown_when_asked_for_and_rotated_with_an_overlap(portal):
    portal.page.locator("a.row").first.click()
    portal.click("Signing secret", "link")
    portal.sees("whsec_•")
    portal.click("Reveal")
    first = portal.page.get_by_label("Signing secret", exact=True).inner_text()
    assert first.startswith("whsec_")
    portal.click("Copy: Signing secret")
    portal.sees("Copied")
    assert portal.page.evaluate("navigator.clipboard.readText()") == first
    portal.click("Rotate secret")
    portal.page.get_by_role("dialog").get_by_role("button", name="Rotate secret").click()
    portal.sees("The previous secret signs, too, until")
    assert portal.page.get_by_label("Signing secret", exact=True).inner_text() != first


def test_a_refused_field_says_so_in_the_apis_words(portal):
    portal.expected = ["400"]
    portal.click("Add endpoint", "link")
    url = portal.page.get_by_label("URL")
    url.fill("https://me:secret@example.com/")
    url.press("Tab")
    portal.sees("Leave out the user name and password.")
    portal.click("Add endpoint")
    portal.sees("`url` must not contain a user name or password.")
    assert url.evaluate("input => input === document.activeElement")
    portal.screenshot("refused")


def test_a_list_that_is_live_shows_what_is_new(portal, platform):
    portal.click("Events", "link")
    portal.settle()
    event = platform.publish(ACCOUNT, "parcel.sent", {"id": "pa_1", "object": "parcel"})
    portal.sees("pa_1")
    portal.page.get_by_role("link", name="parcel.sent").click()
    portal.sees("Acknowledged at attempt 1.")
    assert event["id"] in portal.page.url


def test_events_are_found_by_a_note_within_what_was_looked_at(portal, platform):
    event = platform.publish(ACCOUNT, "parcel.lost", {"id": "pa_2"}, metadata={"shop": "east"})
    platform.deliveries(ACCOUNT, event)
    portal.go("/events?metadata=shop%3Deast")
    portal.sees("Looked at the last")
    portal.page.locator("tbody tr").first.wait_for()
    assert portal.page.locator("tbody tr").count() == 1


def test_digits_of_a_payload_stay_as_they_were(portal, laptop):
    digits = '{"object": {"id": "n_1", "n": 12345678901234567890.10}}'
    laptop.call("POST", "/api/webhook-endpoints", {"url": "http://127.0.0.1:9/", "enabled_events": ["none"]})
    event = laptop.call("POST", "/api/events", '{"type": "number.sent", "data": %s}' % digits)
    wait_for(lambda: any(one["id"] == event["id"] for one in laptop.call("GET", "/api/events")["list"]), "the event is listed")
    portal.click("Leave")
    portal.sees("Use a key")
    portal.go(f"/events/{event['id']}")
    portal.sees('"n": 12345678901234567890.10')


@pytest.mark.parametrize("path", ["/endpoints", "/events", "/catalogue"])
def test_a_failure_shows_its_reason_and_the_requests_id(window, path):
    console = window()
    console.expected = ["503"]
    problem = {"status": 503, "code": "unavailable", "detail": "The table does not answer. Retry in a few seconds."}
    console.open("/")

    def fail(route):
        route.fulfill(status=503, body=json.dumps(problem), headers={"apigw-requestid": "Kx81"})

    console.page.route("**/api/**", fail)
    console.go(path + "?fresh")
    console.sees("The table does not answer.")
    console.sees("Request Kx81")
    console.check_accessibility()
    console.screenshot(f"failing-{path.strip('/')}")
    console.page.unroute("**/api/**", fail)
    console.click("Try again")
    console.page.locator(".failure").wait_for(state="detached")


def test_a_page_that_is_slow_does_not_disturb_the_next_one(portal):
    portal.page.clock.install()
    slow = []
    portal.page.route("**/api/event-types*", lambda route: slow.append(route))
    portal.page.get_by_role("link", name="Event types").click()
    wait_for(lambda: portal.page.evaluate("1") and slow, "the slow page is asked for")
    portal.click("Endpoints", "link")
    portal.page.locator("a.row").first.wait_for()
    portal.page.clock.fast_forward(1_000)
    assert portal.heading() == "Endpoints"
    slow[0].continue_()
    portal.settle()
    assert portal.heading() == "Endpoints"


def test_without_a_connection_the_page_says_so(portal):
    portal.expected = ["ERR_FAILED"]
    portal.page.route("**/api/**", lambda route: route.abort())
    portal.click("Events", "link")
    portal.sees("The API can't be reached.")
    portal.screenshot("unreachable")
