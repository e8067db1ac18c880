"""Every page, in each look: it can be read by everybody, fits the screen, and breaks no rule of the browser."""

import pytest
from conftest import DESK, PHONE, PLATFORM_KEY

ACCOUNT = "cust_pages"
# Both themes, both sizes and both languages. The other looks have the same elements.
AUDITED = ("desk", "desk-dark", "phone-chinese")


@pytest.fixture(scope="session")
def filled(platform, receiver):
    """An account that has something of everything."""
    receiver.answer("/broken", 503, "The database is down. Try again later.")
    platform.call("PUT", f"/api/accounts/{ACCOUNT}", {"name": "Ada Ltd"})
    orders = platform.endpoint(ACCOUNT, receiver.url("/orders"), description="Orders service", headers={"X-Api-Key": "sesame"}, metadata={"team": "orders"})
    broken = platform.endpoint(ACCOUNT, receiver.url("/broken"), ["invoice.*", "customer.created"], description="Billing")
    platform.endpoint(ACCOUNT, receiver.url("/paused"), ["refund.created", "invoice.paid"], status="paused")
    platform.endpoint(ACCOUNT, receiver.url("/disabled"), ["*"], status="disabled")
    types = ["customer.created", "refund.created", "product.created", "invoice.paid"]
    events = [platform.publish(ACCOUNT, kind, {"id": f"in_{4800 + index}", "object": "invoice", "total": "12.50"}, metadata={"shop": "7"}) for index, kind in enumerate(types * 5)]
    for event in events:
        platform.deliveries(ACCOUNT, event)
    platform.call("POST", "/api/keys?livemode=true", {"name": "Backend", "scopes": ["events:publish"]}, ACCOUNT)
    return {"endpoint": orders["id"], "broken": broken["id"], "event": events[-1]["id"]}


def pages(filled):
    of = f"?account={ACCOUNT}"
    return {
        "accounts": "/accounts",
        "platform-keys": "/keys",
        "endpoints": f"/endpoints{of}",
        "endpoint-add": f"/endpoints/new{of}",
        "endpoint": f"/endpoints/{filled['endpoint']}{of}",
        "endpoint-failing": f"/endpoints/{filled['broken']}{of}",
        "endpoint-deliveries": f"/endpoints/{filled['broken']}/deliveries{of}",
        "endpoint-secret": f"/endpoints/{filled['endpoint']}/secret{of}",
        "endpoint-recover": f"/endpoints/{filled['broken']}/recover{of}",
        "endpoint-edit": f"/endpoints/{filled['broken']}/edit{of}",
        "events": f"/events{of}",
        "event": f"/events/{filled['event']}{of}",
        "catalogue": f"/catalogue{of}",
        "publish": f"/publish{of}&mode=test",
        "keys": f"/keys{of}",
        "sessions": f"/sessions{of}",
        "audit": f"/audit{of}",
        "endpoints-empty": f"/endpoints{of}&mode=test",
        "events-empty": f"/events{of}&mode=test",
        "key": "/key",
    }


# The headings that are no address or type, in English and Chinese.
HEADINGS = {
    "accounts": ("Accounts", "账户"),
    "platform-keys": ("API keys", "API 密钥"),
    "endpoints": ("Endpoints", "端点"),
    "endpoint-add": ("Add endpoint", "添加端点"),
    "events": ("Events", "事件"),
    "event": ("invoice.paid", "invoice.paid"),
    "catalogue": ("Event types", "事件类型"),
    "publish": ("Publish event", "发布事件"),
    "keys": ("API keys", "API 密钥"),
    "sessions": ("Portal links", "门户链接"),
    "audit": ("Audit log", "审计日志"),
    "endpoints-empty": ("Endpoints", "端点"),
    "events-empty": ("Events", "事件"),
    "key": ("Welcome", "欢迎"),
}


@pytest.mark.parametrize(
    ("look", "scheme", "locale", "size"),
    [
        ("desk", "light", "en-US", DESK),
        ("desk-dark", "dark", "en-US", DESK),
        ("phone-chinese", "light", "zh-CN", PHONE),
        ("phone-dark", "dark", "en-US", PHONE),
        ("desk-chinese", "light", "zh-CN", DESK),
    ],
)
def test_every_page_is_for_everybody(window, filled, receiver, look, scheme, locale, size):
    console = window(scheme, locale, size)
    console.enter_with_key(PLATFORM_KEY)
    for name, path in pages(filled).items():
        console.go(path)
        assert console.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"
        if look in AUDITED:
            console.check_accessibility()
        console.screenshot(f"{look}-{name}")
        headings = HEADINGS.get(name) or [receiver.url(path) for path in ("/orders", "/broken")]
        assert console.heading() in headings, name
        assert console.page.url.endswith(path), name
        assert console.page.locator(".failure").count() == 0, name


def test_dialogs_and_opened_parts_are_for_everybody_too(window, filled):
    console = window("dark")
    console.enter_with_key(PLATFORM_KEY)
    console.go(pages(filled)["endpoint"])
    for name in ("Pause deliveries", "Disable", "Delete"):
        console.click(name)
        console.check_accessibility()
        console.screenshot(f"dialog-{name.split()[0].lower()}")
        console.click("Cancel")
    console.go(pages(filled)["endpoint-edit"])
    console.page.get_by_label("Search, or write your own").fill("customer.sub")
    console.page.get_by_text("customer.subscription.created").first.wait_for()
    console.check_accessibility()
    console.screenshot("types-searched")
    console.go(pages(filled)["event"])
    console.page.get_by_text("Request headers").first.click()
    console.sees("webhook-signature: v1,…")
    console.sees("accept: */*")
    console.check_accessibility()
    console.screenshot("request-headers")


def test_choices_of_language_and_theme_last(window):
    console = window()
    console.open("/")
    console.click("中文")
    assert console.heading() == "端点"
    console.click("深色")
    console.page.reload()
    console.settle()
    assert console.heading() == "端点"
    assert console.page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(21, 20, 18)"
    assert console.page.evaluate("document.documentElement.lang") == "zh-Hans"


def test_on_a_phone_the_chosen_tab_is_in_sight_and_rows_name_what_they_hold(window, filled):
    console = window(size=PHONE)
    console.enter_with_key(PLATFORM_KEY)
    console.go(pages(filled)["endpoint-edit"])
    box = console.page.locator("main nav [aria-current]").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]
    console.go(pages(filled)["keys"])
    label = console.page.locator("td[data-label='Last used']").first.evaluate("cell => getComputedStyle(cell, '::before').content")
    assert "data-label" in label or "Last used" in label
