"""What an operator does for an account: keys, portal links, and the end of all sessions."""

import pytest
from conftest import PLATFORM_KEY

ACCOUNT = "cust_operated"
OTHER = "cust_other"


@pytest.fixture
def operator(window, platform):
    for account in (ACCOUNT, OTHER):
        platform.call("PUT", f"/api/accounts/{account}", {})
    console = window()
    console.enter_with_key(PLATFORM_KEY)
    return console


def test_a_link_is_made_with_a_key_and_opens_the_console(operator, window):
    operator.go(f"/sessions?account={ACCOUNT}")
    operator.page.get_by_label("Return page").fill("https://app.example.com/webhooks")
    operator.click("Make link")
    operator.sees("Paste a key.")
    assert operator.heading() == "Portal links", "the session goes on"
    assert operator.page.get_by_label("Return page").input_value() == "https://app.example.com/webhooks"
    operator.page.get_by_label("Platform key").fill(PLATFORM_KEY)
    operator.click("Make link")
    link = operator.page.get_by_label("The link", exact=True)
    link.wait_for()
    assert link.locator("xpath=ancestor::*[@role='status']").count() == 1, "it is announced"
    address = link.inner_text()
    assert operator.page.get_by_label("Platform key").input_value() == ""

    # Another language or theme does not wipe what is shown once.
    operator.click("Dark")
    operator.click("中文")
    operator.page.get_by_role("link", name="门户链接").wait_for()
    assert link.inner_text() == address

    customer = window()
    customer.open("/" + address.removeprefix(customer.base).lstrip("/").removeprefix("console"))
    customer.sees("No endpoints yet.")
    customer.sees(ACCOUNT)


def test_all_sessions_of_an_account_are_ended(operator, platform, window):
    customer = window()
    customer.open(platform.link(ACCOUNT))
    customer.sees(ACCOUNT)
    operator.go(f"/sessions?account={ACCOUNT}")
    with operator.page.expect_request("**/api/sessions") as asked:
        operator.click("End all sessions")
        operator.confirm("End all sessions")
    assert asked.value.method == "DELETE"
    assert asked.value.headers["posthorn-account"] == ACCOUNT
    operator.sees("ended")


def test_a_dialog_does_not_outlive_its_page(operator):
    sent = []
    operator.page.on("request", lambda request: sent.append(request) if request.method == "DELETE" else None)
    operator.go("/accounts")
    operator.go(f"/sessions?account={ACCOUNT}")
    operator.click("End all sessions")
    operator.page.get_by_role("dialog").wait_for()
    operator.page.go_back()
    operator.page.get_by_role("heading", name="Accounts", exact=True).wait_for()
    assert operator.page.get_by_role("dialog").count() == 0

    # The address has changed, and the page does not know it yet.
    operator.go(f"/sessions?account={ACCOUNT}")
    operator.click("End all sessions")
    press = "() => { history.replaceState(null, '', '#/sessions?account=%s'); document.querySelector('dialog .danger').click(); }"
    operator.page.evaluate(press % OTHER)
    operator.page.get_by_role("dialog").wait_for(state="detached")
    assert sent == []


def test_a_key_is_created_and_revoked(operator, platform):
    operator.go(f"/keys?account={ACCOUNT}")
    operator.page.get_by_text("Create key").first.click()
    operator.page.get_by_label("Name").fill("Shop")
    operator.click("Create key")
    operator.sees("Copy it now. It is shown only here.")
    key = operator.page.get_by_label("API key", exact=True).inner_text()
    assert key.startswith("sk_live_")
    row = operator.page.get_by_role("row").filter(has_text="Shop")
    row.get_by_role("button", name="Revoke").click()
    operator.confirm("Revoke")
    row.get_by_text("Revoked").wait_for()
    assert operator.page.evaluate("document.activeElement.tagName") == "H1"


def test_a_key_far_down_the_list_is_revoked_where_it_stands(operator, platform):
    for number in range(23):
        platform.call("POST", "/api/keys?livemode=true", {"name": f"Key {number}", "scopes": ["events:read"]}, OTHER)
    operator.go(f"/keys?account={OTHER}")
    operator.click("Load more")
    row = operator.page.get_by_role("row").filter(has_text="Key 22")
    row.get_by_role("button", name="Revoke").click()
    operator.confirm("Revoke")
    row.get_by_text("Revoked").wait_for()
    assert operator.page.locator("tbody tr").count() == 23


def test_a_platforms_key_is_created_without_scopes(operator):
    operator.go("/keys")
    operator.page.get_by_text("Create key").first.click()
    operator.page.get_by_label("Name").fill("Other backend")
    operator.click("Create key")
    operator.sees("Copy it now. It is shown only here.")
    assert operator.page.get_by_label("API key", exact=True).inner_text().startswith("sk_platform_")
