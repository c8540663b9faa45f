"""Mail to addresses with letters beyond ASCII, by servers with and without SMTPUTF8."""

import pytest
from aiosmtpd.controller import Controller
from django.urls import reverse

from invoices import selectors, services
from invoices.models import Invoice, InvoiceDelivery, Seller
from tests.conftest import free_port
from tests.factories import InvoiceFactory, deliver_documents
from tests.log import event_data

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
JOSÉ = "josé@bücher.example"
ON_THE_WIRE = "josé@xn--bcher-kva.example"


@pytest.fixture
def old_server(mailbox, settings):
    """A mail server without SMTPUTF8, which gives its mails to the mailbox."""
    port = free_port()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, enable_SMTPUTF8=False)
    controller.start()
    settings.EMAIL_PORT = port
    yield
    controller.stop()


def test_an_address_of_all_scripts_gets_its_mail(mailbox):
    Seller.objects.create(organization_id="org_1", name="Casa Luna", email="café@luna.example")
    invoice = InvoiceFactory(customer_email=JOSÉ)
    deliver_documents()
    (mail,) = mailbox.mails
    assert mailbox.recipients == [ON_THE_WIRE]
    assert (mail["To"], mail["Reply-To"]) == (ON_THE_WIRE, "café@luna.example")
    assert (mail["From"], mail["Subject"]) == ("orders@localhost", f"Invoice {invoice.number}")
    assert mail["Message-ID"] == f"<{InvoiceDelivery.objects.get().id}@localhost>"
    assert "Hello Juan Pérez," in mail.get_body().get_content()
    (pdf,) = mail.iter_attachments()
    assert pdf.get_content().startswith(b"%PDF")
    assert event_data(invoice.order, "invoice.sent")["recipient_email"] == JOSÉ


@pytest.mark.usefixtures("old_server")
def test_a_server_without_smtputf8_is_not_asked_again(mailbox, api, operator):
    invoice = InvoiceFactory(customer_email=JOSÉ)
    deliver_documents()
    shown = api.get(f"/api/v1/invoices/{invoice.id}").json()["deliveries"][0]
    assert (shown["status"], shown["attempts"]) == ("queued", 1)
    assert shown["last_error"] == (
        f"The mail server has no SMTPUTF8, which {ON_THE_WIRE} needs. Use another address, or "
        "another mail server."
    )
    assert InvoiceDelivery.objects.get().due_at is None, "no attempt is due"
    assert Invoice.objects.filter(selectors.NOT_SENT).get() == invoice
    page = operator().get(reverse("admin:invoices_invoice_change", args=[invoice.pk]))
    assert "no SMTPUTF8" in page.content.decode()
    services.send_invoice(invoice_id=invoice.id, recipient_email="jose@example.com")
    deliver_documents()
    assert mailbox.recipients == ["jose@example.com"]


@pytest.mark.usefixtures("old_server")
@pytest.mark.parametrize(
    ("address", "recipient"),
    [
        ("info@bücher.example", "info@xn--bcher-kva.example"),
        ("info@straße.example", "info@xn--strae-oqa.example"),  # not strasse.example
    ],
)
def test_an_international_domain_needs_no_extension(mailbox, address, recipient):
    InvoiceFactory(customer_email=address)
    deliver_documents()
    assert mailbox.recipients == [recipient]
    assert mailbox.mails[0]["To"] == recipient


def test_the_address_of_a_seller_is_entered_in_the_admin(operator):
    client, url = operator(), reverse("admin:invoices_seller_add")
    sent = {"organization_id": "org_1", "name": "Casa Luna", "country": "UK", "email": "café@"}
    form = client.post(url, sent).context["adminform"].form
    assert form.errors == {
        "country": ["“UK” is not a country code of ISO 3166. Write GB."],
        "email": ["Enter a valid email address."],
    }
    right = sent | {"country": "GB", "email": "café@luna.example"}
    assert client.post(url, right).status_code == 302
    assert Seller.objects.get().profile()["email"] == "café@luna.example"
