"""Lists: page by page, while they change, and with little in them."""

import pytest
from conftest import wait_for

ACCOUNT = "cust_lists"


@pytest.fixture(scope="module")
def published(platform, receiver):
    platform.endpoint(ACCOUNT, receiver.url("/lists"))
    events = [platform.publish(ACCOUNT, "parcel.sent", {"id": f"pa_{number}"}) for number in range(25)]
    for event in events:
        platform.deliveries(ACCOUNT, event)
    return events


@pytest.fixture
def portal(console, platform, published):
    console.open(platform.link(ACCOUNT))
    console.click("Events", "link")
    console.page.locator("tbody tr").first.wait_for()
    console.settle()
    return console


def rows(console):
    return console.page.locator("tbody tr").count()


def test_what_was_loaded_below_stays_when_new_events_come(portal, platform):
    before = rows(portal)
    portal.click("Load more")
    wait_for(lambda: rows(portal) > before, "more is shown")
    all_of_them = rows(portal)
    for number in (100, 101):
        platform.publish(ACCOUNT, "parcel.sent", {"id": f"pa_{number}"})
        portal.sees(f"pa_{number}")
    assert rows(portal) == all_of_them + 2


def test_a_row_keeps_the_focus_when_a_new_one_comes_above_it(portal, platform):
    portal.page.locator("a.row").first.focus()
    key = portal.page.evaluate("document.activeElement.dataset.key")
    event = platform.publish(ACCOUNT, "parcel.sent", {"id": "pa_200"})
    portal.sees("pa_200")
    assert portal.page.locator("a.row").first.get_attribute("data-key") == event["id"]
    assert portal.page.evaluate("document.activeElement.dataset.key") == key


def test_what_lies_behind_an_empty_first_page_stays(portal, published):
    event = {**published[0], "object_id": "pa_far"}
    asked = []

    def page(route):
        is_first = "starting_after" not in route.request.url
        asked.append(is_first)
        more = {"list": [], "has_more": True, "next_cursor": published[-1]["id"]}
        route.fulfill(json=more if is_first else {"list": [event], "has_more": False, "next_cursor": None})

    portal.page.route("**/api/events?**", page)
    portal.go("/events?type=parcel.*")
    portal.click("Load more")
    portal.sees("pa_far")
    times = asked.count(True)
    wait_for(lambda: portal.page.evaluate("1") and asked.count(True) >= times + 2, "the first page is read again")
    portal.settle()
    assert rows(portal) == 1


def test_a_search_by_a_note_asks_ten_times_at_most_and_goes_on_when_told(portal, published):
    asked = []

    def page(route):
        asked.append(route.request.url)
        route.fulfill(json={"list": [], "has_more": True, "next_cursor": published[0]["id"]})

    portal.page.route("**/api/events?**", page)
    portal.go("/events?metadata=shop%3Dnone")
    portal.page.get_by_role("button", name="Load more").wait_for()
    assert len(asked) == 10
    portal.click("Load more")
    wait_for(lambda: portal.page.evaluate("1") and len(asked) == 20, "it looks further")
    portal.settle()
    assert len(asked) == 20


def test_an_address_with_a_time_that_is_none_shows_the_list(portal):
    portal.go("/events?from=x&to=2026-13-45")
    assert portal.heading() == "Events"
    assert rows(portal) == 20


def test_an_answer_that_is_no_json_is_no_answer(portal):
    portal.page.route("**/api/**", lambda route: route.fulfill(body="<h1>Log in to the hotel</h1>", content_type="text/html"))
    portal.click("Endpoints", "link")
    portal.sees("The API can't be reached.")
    portal.page.unroute("**/api/**")
    portal.click("Try again")
    portal.page.locator("a.row").first.wait_for()
