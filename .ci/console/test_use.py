"""Using the console: by keyboard, while things change, and when they fail."""

import json
import re

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
    portal.click("Pause deliveries")
    portal.sees("Its events are held meanwhile, and none is lost.")
    portal.confirm("Pause deliveries")
    portal.sees("its events are held until you resume it")
    assert focused(portal) == "Resume deliveries", "what stands in the button's place has the focus"
    portal.click("Resume deliveries")
    # The notice of the pause may be among them.
    portal.page.get_by_role("dialog").get_by_text(re.compile(r"^\d+ deliver(y is|ies are) held\.$")).wait_for()
    portal.confirm("Resume deliveries")
    portal.page.get_by_role("button", name="Pause deliveries").wait_for()
    portal.click("Disable")
    portal.confirm("Disable")
    portal.click("Enable")
    portal.page.get_by_role("button", name="Pause deliveries").wait_for()


def test_an_endpoint_is_deleted_only_by_its_name(portal, platform, receiver):
    doomed = platform.endpoint(ACCOUNT, receiver.url("/doomed"))
    portal.go(f"/endpoints/{doomed['id']}")
    portal.click("Delete")
    confirm = portal.page.get_by_role("dialog").get_by_role("button", name="Delete")
    assert confirm.is_disabled()
    typed = portal.page.get_by_role("dialog").get_by_role("textbox")
    # Other endpoints have the same host.
    typed.fill(receiver.url("").removeprefix("http://"))
    assert confirm.is_disabled()
    typed.fill(receiver.url("/doomed").removeprefix("http://"))
    confirm.click()
    portal.page.wait_for_url("**/#/endpoints")
    portal.settle()
    assert portal.page.locator("main").get_by_text("/doomed").count() == 0


def test_an_endpoint_gets_types_headers_and_notes(portal, receiver):
    portal.click("Add endpoint", "link")
    portal.page.get_by_label("URL").fill(receiver.url("/picky"))
    portal.page.get_by_label("Only these:").check()
    portal.page.get_by_label("Search, or write your own").fill("customer.subscription")
    portal.page.get_by_label("customer.* all with this prefix").click()
    portal.page.get_by_label("Search, or write your own").fill("Parcel.Lost")
    portal.click("Add endpoint")
    portal.sees("Add Parcel.Lost, or empty the search.")
    portal.click("Add Parcel.Lost")
    portal.page.get_by_role("button", name="Add: Headers").click()
    portal.page.get_by_label("Headers: Value").fill("open")
    portal.click("Add endpoint")
    portal.sees("A value has no name.")
    portal.page.get_by_label("Headers: Name").fill("X-Gate")
    portal.page.get_by_role("button", name="Add: Headers").click()
    portal.page.get_by_label("Headers: Name").last.fill("X-Gate")
    portal.click("Add endpoint")
    portal.sees("X-Gate is there twice.")
    portal.page.get_by_role("button", name="Remove Headers").last.click()
    assert focused(portal) == "Add"
    portal.click("Add endpoint")
    portal.sees("whsec_")
    portal.click("Go to the endpoint", "link")
    for text in ("customer.*", "Parcel.Lost", "X-Gate"):
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
    portal.confirm("Rotate secret")
    portal.sees("The previous secret signs, too, until")
    assert portal.page.get_by_label("Signing secret", exact=True).inner_text() != first


def test_a_refused_field_says_so_in_the_apis_words(portal):
    portal.expected = ["400"]
    portal.click("Add endpoint", "link")
    url = portal.page.get_by_label("URL")
    url.fill("https://me:secret@example.com/")
    url.press("Tab")
    portal.sees("`url` must not contain a user name or password.")
    url.fill("https://example.com/")
    url.press("Tab")
    portal.sees("Events are POSTed to it.")
    url.fill("https://me:secret@example.com/")
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
    assert console.page.get_by_text("Something went wrong").count() == 1
    assert path == "/catalogue" or console.page.locator(".live.unreached").count() == 1, "nothing says that it updates"
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


def test_a_language_and_a_theme_leave_a_form_as_it_is(portal):
    portal.click("Add endpoint", "link")
    portal.page.get_by_label("URL").fill("https://example.com/mine")
    portal.click("Dark")
    portal.click("中文")
    portal.page.get_by_role("link", name="事件类型").wait_for()
    assert portal.page.get_by_label("URL").input_value() == "https://example.com/mine"
    assert portal.page.locator("main").get_attribute("lang") == "en"
    portal.click("事件", "link")
    portal.page.get_by_role("heading", name="事件", exact=True).wait_for()


def test_settings_send_only_what_was_changed(portal, platform, receiver):
    endpoint = platform.endpoint(ACCOUNT, receiver.url("/settings"), metadata={"a": "1"}, headers={"X-A": "1"})
    portal.go(f"/endpoints/{endpoint['id']}/edit")
    # Somebody else is faster.
    platform.call("PUT", f"/api/webhook-endpoints/{endpoint['id']}?livemode=true", {"enabled_events": ["parcel.*"]}, ACCOUNT)
    portal.page.get_by_role("textbox", name="Description").fill("Parcels")
    portal.click("Save changes")
    portal.sees("Saved.")
    fresh = platform.call("GET", f"/api/webhook-endpoints/{endpoint['id']}?livemode=true", account=ACCOUNT)
    assert (fresh["description"], fresh["enabled_events"], fresh["headers"]) == ("Parcels", ["parcel.*"], {"X-A": "1"})


def test_resending_to_all_tries_all_and_says_who_refused(portal, platform, receiver):
    account = "cust_resend"
    paths = ("/one", "/two", "/three")
    endpoints = [platform.endpoint(account, receiver.url(path), ["parcel.*"])["id"] for path in paths]
    event = platform.publish(account, "parcel.sent", {"id": "pa_3"})
    platform.deliveries(account, event)
    refused, held = endpoints[0], endpoints[2]
    tried = []

    def refuse(route):
        to = route.request.post_data_json["webhook_endpoint_id"]
        tried.append(to)
        if to == refused:
            route.fulfill(status=409, json={"status": 409, "code": "retry_limit_reached", "detail": "It was resent often enough."})
        else:
            route.continue_()

    def hold(route):
        answer = route.fetch()
        read = answer.json()
        for delivery in read["deliveries"]:
            delivery["status"] = "held" if delivery["webhook_endpoint_id"] == held else delivery["status"]
        route.fulfill(response=answer, json=read)

    portal.expected = ["409"]
    portal.open(platform.link(account))
    portal.page.route("**/api/webhook-attempts/retry*", refuse)
    portal.page.route(f"**/api/events/{event['id']}*", hold)
    portal.go(f"/events/{event['id']}")
    portal.click("Resend to all 2")
    portal.confirm("Resend")
    portal.sees("Sent to 1, refused by 1: It was resent often enough.")
    assert sorted(tried) == sorted(endpoints[:2])


def test_a_time_that_has_come_is_no_time_to_come(portal, platform, receiver):
    account = "cust_times"
    platform.endpoint(account, receiver.url("/times"))
    event = platform.publish(account, "parcel.sent", {"id": "pa_4"})
    platform.deliveries(account, event)
    due = {"at": "2100-01-01T00:00:00.000Z", "attempts": []}

    def pending(route):
        answer = route.fetch()
        read = answer.json()
        first = read["deliveries"][0]
        failed = [{**attempt, "status": "failed", "response_status": 503} for attempt in first["attempts"] if due["attempts"] is None]
        first.update(status="pending", next_attempt_at=due["at"], attempts=failed)
        route.fulfill(response=answer, json=read)

    portal.page.route(f"**/api/events/{event['id']}*", pending)
    portal.open(platform.link(account))
    portal.go(f"/events/{event['id']}")
    portal.sees("First attempt in")
    due["attempts"] = None
    portal.sees("The endpoint answered: 503. Trying again in")
    due["at"] = "2026-01-01T00:00:00.000Z"
    portal.sees("The endpoint answered: 503. An attempt is due or under way.")
    assert portal.page.get_by_text("Trying again").count() == 0


def test_a_time_to_come_comes_while_the_page_is_open(portal):
    # The clock that is installed knows no requests.
    script = """() => performance.getEntriesByType("resource").map(({ name }) => name).find((name) => name.endsWith("/format.js"))"""
    address = portal.page.evaluate(script)
    portal.page.clock.install()
    script = """async (address) => {
      const { ago } = await import(address);
      const time = ago(new Date(Date.now() + 20_000).toISOString(), (when) => `Again ${when}.`, "Now.");
      document.querySelector("main").append(time);
      return time.textContent;
    }"""
    assert portal.page.evaluate(script, address) == "Again in 20 seconds."
    portal.page.clock.fast_forward(31_000)
    portal.page.get_by_text("Now.").wait_for()


def test_a_request_is_shown_as_far_as_it_is_known(portal, platform, receiver):
    account = "cust_component"
    endpoint = platform.endpoint(account, receiver.url("/component"), headers={"X-Old": "1"}, component_secret_key="07" * 32)
    event = platform.publish(account, "parcel.sent", {"id": "pa_5"})
    platform.deliveries(account, event)
    portal.open(platform.link(account))
    portal.go(f"/events/{event['id']}")
    portal.page.get_by_text("Request headers").first.click()
    for line in ("accept: */*", "user-agent: Posthorn/…", "webhook-signature: v1,…", "x-old: 1", "x-component-sig-version: 1"):
        portal.sees(line)
    portal.sees("URL and own headers as they are now.")
    platform.call("PUT", f"/api/webhook-endpoints/{endpoint['id']}?livemode=true", {"headers": {"X-New": "2"}}, account)
    portal.page.get_by_text("Request headers").first.click()
    portal.page.get_by_text("Request headers").first.click()
    portal.sees("x-new: 2")


def test_a_filter_is_applied_by_its_button_only(portal):
    portal.page.locator("a.row").first.click()
    portal.click("Deliveries", "link")
    portal.settle()
    portal.page.get_by_label("Status").select_option("failed")
    assert "outcome" not in portal.page.url
    portal.click("Filter")
    portal.page.wait_for_url("**outcome=failed**")


def test_a_test_event_can_have_a_type(portal):
    portal.page.locator("a.row").first.click()
    portal.click("Send test event")
    portal.page.get_by_role("dialog").get_by_label("Event type").fill("customer.created")
    portal.confirm("Send test event")
    portal.page.wait_for_url("**/#/events/evt_*")
    portal.page.get_by_role("heading", name="customer.created", exact=True).wait_for()
