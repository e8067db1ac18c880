"""The four journeys that the console is for, without any documentation."""

import datetime
import json

from conftest import PLATFORM_KEY, wait_for


def test_a_stranger_sees_an_event_arrive_then_fail_then_succeed(console, receiver):
    # An event can be read a moment after it was published. The page tries until then.
    console.expected = ["404"]
    console.open("/")
    console.sees("No endpoints yet. Add the URL that should receive events.")
    console.screenshot("journey-1-empty")
    console.click("Add endpoint", "link")
    console.page.get_by_label("URL").fill(receiver.url("/journey"))
    console.click("Add endpoint")
    console.sees("whsec_")
    console.sees("How to verify a webhook")
    console.screenshot("journey-1-added")

    publish(console)
    console.sees("Acknowledged at attempt 1.")
    assert receiver.arrived.count("/journey") == 1

    receiver.answer("/journey", 500, "No such table: invoices")
    publish(console)
    console.sees("The endpoint answered: 500. Trying again in")
    console.sees("No such table: invoices")
    console.screenshot("journey-1-failed")

    receiver.answer("/journey", 204)
    console.page.get_by_role("button", name="Resend", exact=True).click()
    console.sees("Acknowledged at attempt")
    console.screenshot("journey-1-resent")


def publish(console):
    console.click("Publish", "link")
    assert "invoice" in json.loads(console.page.get_by_label("Data").input_value())["object"]["object"]
    console.click("Publish")
    console.page.wait_for_url("**/#/events/evt_*")


def test_a_customer_finds_a_failed_delivery_and_resends_it(window, platform, receiver):
    account = "cust_journey"
    receiver.answer("/customer", 422, '{"error": "unknown currency"}')
    platform.endpoint(account, receiver.url("/customer"), ["invoice.*"])
    for number in range(4815, 4825):
        platform.deliveries(account, platform.publish(account, "invoice.paid", {"id": f"in_{number}", "object": "invoice"}))

    console = window()
    console.open(platform.link(account))
    console.click("Events", "link")
    console.page.get_by_label("Object").fill("in_4820")
    # It failed since yesterday.
    console.page.get_by_text("Time and metadata").click()
    yesterday = datetime.datetime.now() - datetime.timedelta(days=1)
    console.page.get_by_label("To", exact=True).fill(yesterday.strftime("%Y-%m-%dT%H:%M"))
    console.click("Search")
    console.sees("No events found.")
    console.page.get_by_label("To", exact=True).fill("")
    console.page.get_by_label("From", exact=True).fill(yesterday.strftime("%Y-%m-%dT%H:%M"))
    console.click("Search")
    console.page.locator("tbody tr").first.wait_for()
    console.settle()
    console.screenshot("journey-2-found")
    assert console.page.locator("tbody tr").count() == 1
    console.page.locator("a.row").click()
    console.sees('{"error": "unknown currency"}')
    console.screenshot("journey-2-answer")
    receiver.answer("/customer", 200, "booked")
    console.page.get_by_role("button", name="Resend", exact=True).click()
    console.sees("booked")
    console.sees("Acknowledged at attempt")


def test_support_learns_in_three_clicks_why_a_customer_did_not_get_an_event(window, platform, receiver):
    account = "cust_support"
    platform.endpoint(account, receiver.url("/wants-customers"), ["customer.*"])
    platform.endpoint(account, receiver.url("/off"), status="disabled")
    got = platform.endpoint(account, receiver.url("/gets-all"))
    event = platform.publish(account, "invoice.paid", {"id": "in_1", "object": "invoice"})
    assert platform.deliveries(account, event) == {got["id"]: "succeeded"}

    console = window()
    console.enter_with_key(PLATFORM_KEY)
    console.page.get_by_text(account).first.click()
    console.click("Events", "link")
    console.page.get_by_role("link", name="invoice.paid").click()
    console.sees("Why not?")
    console.sees("It did not subscribe to invoice.paid.")
    console.sees("The endpoint had been disabled since")
    console.screenshot("journey-3-why-not")


def test_an_operator_finds_who_fails_and_makes_one_whole(window, platform, receiver):
    account = "cust_outage"
    receiver.answer("/outage", 503, "maintenance")
    endpoint = platform.endpoint(account, receiver.url("/outage"))
    events = [platform.publish(account, "order.created", {"id": f"or_{number}"}) for number in range(8)]
    for event in events:
        platform.deliveries(account, event)

    console = window()
    console.enter_with_key(PLATFORM_KEY)
    row = console.page.get_by_role("table", name="Need attention now").get_by_role("row").filter(has_text=account)
    row.wait_for()
    console.screenshot("journey-4-attention")
    row.get_by_role("link").click()
    console.sees("Failing")
    page = console.page.url
    console.click("Endpoints", "link")
    console.click("Down", "link")
    console.sees("No endpoints in this state.")
    console.click("Failing", "link")
    console.page.locator("tbody tr").first.wait_for()
    assert console.page.locator("tbody tr").count() == 1
    console.page.goto(page)
    receiver.answer("/outage", 200)
    console.click("Recover", "link")
    console.click("Count")
    console.sees("8 deliveries would be sent.")
    console.screenshot("journey-4-counted")
    console.click("Send 8 now")
    console.sees("Completed")
    console.sees("8 sent again")
    console.screenshot("journey-4-recovered")
    all_delivered = {endpoint["id"]: "succeeded"}
    wait_for(lambda: all(platform.deliveries(account, event) == all_delivered for event in events), "all is delivered")
