"""Whatever customers and receivers write is text, and nothing else."""

from urllib.parse import quote

from conftest import PLATFORM_KEY

ACCOUNT = "cust_markup"
MARKUP = '"\'><img src=x onerror=hacked()><script>hacked()</script><svg onload=hacked()>{{hacked()}}'


def test_markup_in_anything_runs_nowhere(window, platform, receiver):
    receiver.answer("/markup", 500, MARKUP)
    platform.call("PUT", f"/api/accounts/{ACCOUNT}", {"name": MARKUP, "metadata": {"a": MARKUP}})
    endpoint = platform.endpoint(
        ACCOUNT, receiver.url("/markup"), description=MARKUP, headers={"X-Markup": MARKUP}, metadata={"note": MARKUP, "<b>": "1"}
    )
    data = {"id": MARKUP, "object": MARKUP, "name": MARKUP, MARKUP: [MARKUP]}
    event = platform.publish(ACCOUNT, "invoice.paid", data, metadata={"note": MARKUP}, request={"id": MARKUP, "requested_by": MARKUP})
    platform.deliveries(ACCOUNT, event)
    platform.call("POST", "/api/keys?livemode=true", {"name": MARKUP, "scopes": ["events:publish"]}, ACCOUNT)

    console = window()
    console.enter_with_key(PLATFORM_KEY)
    of = f"?account={ACCOUNT}"
    # The page, its heading, and how often the markup can be read on it. Some pages show nothing that a customer writes.
    shown = [
        ("/accounts", "Accounts", 1),
        (f"/endpoints{of}", "Endpoints", 1),
        (f"/endpoints/{endpoint['id']}{of}", endpoint["url"], 2),
        (f"/endpoints/{endpoint['id']}/deliveries{of}", endpoint["url"], 0),
        (f"/endpoints/{endpoint['id']}/edit{of}", endpoint["url"], 0),
        (f"/events{of}", "Events", 0),
        (f"/events/{event['id']}{of}", "invoice.paid", 4),
        (f"/keys{of}", "API keys", 1),
        (f"/audit{of}", "Audit log", 0),
    ]
    for path, heading, times in shown:
        console.go(path)
        assert console.heading() == heading
        assert console.page.locator(".failure").count() == 0, path
        for summary in console.page.locator("main summary:visible").all()[:3]:
            summary.click()
        console.settle()
        assert console.page.locator("main img, script:not([src]), [onload]").count() == 0, path
        assert console.page.get_by_text(MARKUP).count() >= times, path
    console.go(f"/events/{event['id']}{of}")
    console.screenshot("markup-event")
    console.go(f"/endpoints/{endpoint['id']}/edit{of}")
    written = console.page.get_by_role("textbox").evaluate_all("inputs => inputs.map((input) => input.value)")
    assert written.count(MARKUP) == 3, "description, header and note"
    console.go(f"/events{of}")
    # Shortened in the middle, as every ID is.
    assert console.page.locator("tbody code").first.inner_text().startswith(MARKUP[:4])


def test_an_address_cannot_bring_markup_a_script_or_a_colour(console):
    console.expected = ["404", "400"]
    addresses = [
        (f"/#/endpoints/{MARKUP.replace('/', '')}", "Not found"),
        ("/#/%3Cimg%20src=x%3E", "Endpoints"),
        (f"/#/events?type={quote(MARKUP)}&metadata={quote(MARKUP)}", "Events"),
        ("/#/?color=red", "Endpoints"),
    ]
    for path, heading in addresses:
        console.open(path)
        assert console.heading() == heading
        assert console.page.locator("main img").count() == 0
        assert console.page.evaluate("document.documentElement.style.length") == 0
    console.go(addresses[2][0].removeprefix("/#"))
    assert console.page.get_by_label("Event type").input_value() == MARKUP
