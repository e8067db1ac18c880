"""Whatever customers and receivers write is text, and nothing else."""

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
    console.open("/#/key")
    console.page.get_by_label("API key").fill(PLATFORM_KEY)
    console.click("Enter")
    console.sees("Need attention now")
    of = f"?account={ACCOUNT}"
    shown = {
        "/accounts": 1,
        f"/endpoints{of}": 1,
        f"/endpoints/{endpoint['id']}{of}": 2,
        f"/endpoints/{endpoint['id']}/deliveries{of}": 0,
        f"/endpoints/{endpoint['id']}/edit{of}": 0,
        f"/events{of}": 0,
        f"/events/{event['id']}{of}": 4,
        f"/keys{of}": 1,
        f"/audit{of}": 0,
    }
    for path, times in shown.items():
        console.go(path)
        for summary in console.page.locator("main summary:visible").all()[:3]:
            summary.click()
        console.settle()
        assert console.page.locator("main img, script:not([src]), [onload]").count() == 0, path
        assert console.page.get_by_text(MARKUP).count() >= times, path
    console.go(f"/events/{event['id']}{of}")
    console.screenshot("markup-event")
    console.go(f"/endpoints/{endpoint['id']}/edit{of}")
    assert console.page.get_by_role("textbox", name="Description").input_value() == MARKUP


def test_an_address_cannot_bring_markup_a_script_or_a_colour(console):
    console.expected = ["404", "400"]
    for path in (f"/#/endpoints/{MARKUP}", "/#/%3Cimg%20src=x%3E", f"/#/events?type={MARKUP}&metadata={MARKUP}", "/#/?color=red"):
        console.open(path)
        assert console.page.locator("main img").count() == 0
