"""Sending invoices to a real mail server."""

import socketserver
import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from events.models import EventRecord
from invoices import mail, selectors, services, tasks
from invoices.models import Invoice, InvoiceDelivery, Seller
from tests.documents import text_of
from tests.factories import InvoiceFactory, credit, deliver_documents
from tests.log import event_data, event_names
from tests.parallel import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def deliver(seconds=0):
    """Run the task as if that many seconds had passed."""
    return deliver_documents(now=(timezone.now() + timedelta(seconds=seconds)).isoformat())


def test_the_mail_arrives_with_the_pdf(mailbox):
    Seller.objects.create(organization_id="org_1", name="Casa Luna", email="bills@luna.example")
    invoice = InvoiceFactory()
    assert deliver() == 2  # the PDF and the mail
    (mail,) = mailbox.mails
    assert (mail["To"], mail["Subject"]) == ("juan@example.com", f"Invoice {invoice.number}")
    assert (mail["From"], mail["Reply-To"]) == ("orders@localhost", "bills@luna.example")
    assert mail["Message-ID"] == f"<{InvoiceDelivery.objects.get().id}@localhost>"
    (pdf,) = mail.iter_attachments()
    assert (pdf.get_content_type(), pdf.get_filename()) == (
        "application/pdf",
        f"{invoice.number}.pdf",
    )
    text = text_of(pdf.get_content())[0]
    for value in (invoice.number, "A shirt", "25.00", "50.00"):
        assert value in text
    body = mail.get_body().get_content().replace("\r\n", "\n")
    assert f"Hello Juan Pérez,\n\ninvoice {invoice.number} for your order" in body
    sent = event_data(invoice.order, "invoice.sent")
    assert sent["pdf_url"] in body
    assert (sent["recipient_email"], sent["invoice_id"]) == ("juan@example.com", invoice.id)


def test_the_mail_and_the_invoice_are_in_the_language_of_the_organization(mailbox):
    Seller.objects.create(organization_id="org_1", name="Casa Luna", language="es-MX")
    invoice = InvoiceFactory()
    deliver()
    (mail,) = mailbox.mails
    assert mail["Subject"] == f"Factura {invoice.number}"
    body = mail.get_body().get_content().replace("\r\n", "\n")
    assert f"Hola, Juan Pérez:\n\nadjuntamos la factura {invoice.number}" in body
    (pdf,) = mail.iter_attachments()
    text = text_of(pdf.get_content())[0]
    for value in ("Factura", "Precio unitario", "Página 1 de 1", "Pagado en su totalidad"):
        assert value in text


def test_a_credit_note_is_mailed_like_its_invoice_and_is_no_sending_of_it(mailbox):
    invoice = InvoiceFactory()
    deliver()
    (note,) = credit(invoice, "10.00").credit_notes
    deliver()
    _, mail = mailbox.mails
    assert (mail["To"], mail["Subject"]) == ("juan@example.com", f"Credit note {note.number}")
    (pdf,) = mail.iter_attachments()
    assert pdf.get_filename() == f"{note.number}.pdf"
    assert "Credit note" in text_of(pdf.get_content())[0]
    body = " ".join(mail.get_body().get_content().split())
    assert f"credit note {note.number} for invoice {invoice.number} is attached" in body
    names = event_names(invoice.order)
    assert names.count("invoice.sent") == 1
    assert names[-2:] == ["credit_note.queued", "credit_note.sent"]


def test_a_credit_note_in_spanish(mailbox):
    Seller.objects.create(organization_id="org_1", name="Casa Luna", language="es-MX")
    (note,) = credit(InvoiceFactory(), "10.00").credit_notes
    deliver()
    _, mail = mailbox.mails
    assert mail["Subject"] == f"Nota de crédito {note.number}"
    assert f"adjuntamos la nota de crédito {note.number}" in mail.get_body().get_content()
    (pdf,) = mail.iter_attachments()
    assert "Bonificación" in text_of(pdf.get_content())[0]


def test_a_credit_note_is_sent_again_to_another_address(mailbox, api):
    mailbox.refused = {"juan@example.com"}
    invoice = InvoiceFactory()
    (note,) = credit(invoice, "10.00").credit_notes
    path = f"/api/v1/invoices/{invoice.id}/send"
    body = {"credit_note_id": note.id, "recipient_email": "right@example.com"}
    assert api.post(path, body).status_code == 200
    deliver()
    (mail,) = mailbox.mails
    assert (mail["To"], mail["Subject"]) == ("right@example.com", f"Credit note {note.number}")
    assert Invoice.objects.get().status == "issued", "the invoice was not sent"
    unknown = api.post(path, {"credit_note_id": "cn_no"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")


def test_a_delivered_invoice_is_sent_and_publishes_one_event(mailbox):
    invoice = InvoiceFactory()
    deliver()
    deliver(3600)
    invoice.refresh_from_db()
    assert (invoice.status, len(mailbox.mails)) == ("sent", 1)
    assert event_names(invoice.order).count("invoice.sent") == 1


def test_every_resend_publishes_an_event(mailbox):
    invoice = InvoiceFactory()
    deliver()
    services.send_invoice(invoice_id=invoice.id, recipient_email="office@example.com")
    deliver(1)
    assert [mail["To"] for mail in mailbox.mails] == ["juan@example.com", "office@example.com"]
    assert event_names(invoice.order).count("invoice.sent") == 2
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 2


def test_a_mail_that_a_worker_is_sending_is_not_sent_again(mailbox, monkeypatch):
    invoice, send = InvoiceFactory(), mail.send

    def send_while_an_operator_resends(delivery):
        services.send_invoice(invoice_id=invoice.id)
        deliver_documents()
        return send(delivery)

    monkeypatch.setattr(mail, "send", send_while_an_operator_resends)
    deliver()
    deliver(3600)
    assert len(mailbox.mails) == 1


def test_a_refused_mail_is_retried_and_does_not_delay_others(mailbox):
    mailbox.refused = {"juan@example.com"}
    invoice, other = InvoiceFactory(), InvoiceFactory(customer_email="ana@example.com")
    deliver()
    delivery = InvoiceDelivery.objects.get(invoice=invoice)
    assert (delivery.status, delivery.attempts) == ("queued", 1)
    assert "no such mailbox" in delivery.last_error
    assert Invoice.objects.get(pk=invoice.pk).status == "issued"
    assert Invoice.objects.get(pk=other.pk).status == "sent", "the other mail was not delayed"
    mailbox.refused = set()
    assert deliver(5) == 0
    assert deliver(11) == 1
    assert Invoice.objects.get(pk=invoice.pk).status == "sent"
    assert InvoiceDelivery.objects.get(pk=delivery.pk).last_error == ""


def test_the_pause_between_attempts_doubles_up_to_an_hour(settings, unused_tcp_port):
    settings.EMAIL_BACKEND = "config.core.mail.SmtpBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", unused_tcp_port
    InvoiceFactory()
    now, waits = timezone.now() + timedelta(hours=1), []
    for _ in range(11):
        deliver_documents(now=now.isoformat())
        delivery = InvoiceDelivery.objects.get()
        waits.append((delivery.due_at - now).total_seconds())
        now = delivery.due_at
    assert waits == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
    assert "ConnectionRefusedError" in delivery.last_error


def test_a_refused_mail_is_given_up_after_three_days_until_it_is_sent_again(mailbox):
    mailbox.refused = {"juan@example.com"}
    invoice = InvoiceFactory()
    now = timezone.now()
    while delivery := InvoiceDelivery.objects.exclude(due_at=None).first():
        now = max(now, delivery.due_at) + timedelta(seconds=1)
        deliver_documents(now=now.isoformat())
    assert timedelta(days=2) < now - timezone.now() < timedelta(days=4)
    unsent = Invoice.objects.filter(selectors.NOT_SENT)
    assert unsent.get() == invoice
    mailbox.refused = set()
    services.send_invoice(invoice_id=invoice.id)
    assert deliver(1) == 1
    assert not unsent.exists()


class Closed(socketserver.BaseRequestHandler):
    """A mail server that accepts connections only to say that it is closed."""

    def handle(self):
        self.request.sendall(b"421 closed\r\n")


@pytest.fixture(params=["no server", "a closed server"])
def port_of_a_server_that_is_down(request):
    if request.param == "no server":
        yield 1
        return
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Closed) as server:
        threading.Thread(target=server.serve_forever, args=[0.05]).start()
        yield server.server_address[1]
        server.shutdown()


def test_mails_are_sent_after_the_server_was_down_for_a_week(
    settings, mailbox, port_of_a_server_that_is_down
):
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, port_of_a_server_that_is_down
    InvoiceFactory()
    now = timezone.now()
    for _ in range(170):
        now += timedelta(hours=1)
        deliver_documents(now=now.isoformat())
    settings.EMAIL_PORT = port
    deliver_documents(now=(now + timedelta(hours=1, minutes=1)).isoformat())
    assert len(mailbox.mails) == 1


def test_an_invoice_sent_to_another_address_leaves_the_queue(mailbox):
    mailbox.refused = {"juan@example.com"}
    invoice = InvoiceFactory()
    deliver()
    services.send_invoice(invoice_id=invoice.id, recipient_email="right@example.com")
    deliver(1)
    assert not Invoice.objects.filter(selectors.NOT_SENT).exists()


def test_a_mail_that_is_too_large_does_not_delay_others(mailbox):
    invoices = [InvoiceFactory(customer_email=f"c{n}@example.com") for n in range(3)]
    mailbox.too_large = {"c0@example.com"}
    deliver()
    assert len(mailbox.mails) == 2
    assert InvoiceDelivery.objects.exclude(last_error="").get().invoice_id == invoices[0].id


def test_a_run_that_lasts_longer_than_a_lease_sends_each_mail_once(mailbox, monkeypatch):
    """The run began minutes ago, and another worker starts a run."""
    for n in range(3):
        InvoiceFactory(customer_email=f"c{n}@example.com")
    begun = (timezone.now() - timedelta(minutes=9)).isoformat()
    send = mail.send

    def slow(delivery):
        deliver_documents()  # the other worker
        return send(delivery)

    monkeypatch.setattr(mail, "send", slow)
    deliver_documents(now=begun)
    assert sorted(each["To"] for each in mailbox.mails) == [f"c{n}@example.com" for n in range(3)]


def test_a_run_ends_after_its_time_slice(mailbox, monkeypatch):
    InvoiceFactory()
    with monkeypatch.context() as patch:
        patch.setattr(services, "TIME_SLICE", 0)
        assert deliver_documents() == 0
    deliver_documents()
    assert len(mailbox.mails) == 1


def test_all_mails_wait_a_minute_when_the_server_is_down(settings, mailbox):
    port = settings.EMAIL_PORT
    settings.EMAIL_PORT = 1  # no server listens there
    for _ in range(3):
        InvoiceFactory()
    deliver()
    delayed = InvoiceDelivery.objects.filter(last_error__contains="ConnectionRefusedError")
    assert sorted(delivery.attempts for delivery in delayed) == [0, 0, 1]
    settings.EMAIL_PORT = port
    assert [deliver(5), deliver(11), deliver(61)] == [0, 1, 2]
    assert not delayed.all().exists()


def test_without_an_address_nothing_is_mailed(mailbox):
    InvoiceFactory(customer_email=None)
    assert deliver() == 1
    assert mailbox.mails == []


def test_a_mail_of_a_killed_worker_is_sent_again_with_the_same_message_id(mailbox, monkeypatch):
    InvoiceFactory()
    with monkeypatch.context() as patch:
        patch.setattr(services, "record_delivery", exit_process)
        with pytest.raises(SystemExit):
            deliver()
    assert deliver(299) == 0, "the lease has not expired"
    assert deliver(301) == 1
    one, other = mailbox.mails
    assert one["Message-ID"] == other["Message-ID"]


def exit_process(**kwargs):
    raise SystemExit


@pytest.mark.django_db(transaction=True)
def test_concurrent_workers_send_each_mail_once(mailbox):
    invoices = [InvoiceFactory(customer_email=f"c{n}@example.com") for n in range(12)]
    at_once(4, lambda n: [deliver() for _ in range(4)])  # a run ends after its time slice
    assert len(mailbox.mails) == len({mail["To"] for mail in mailbox.mails}) == len(invoices)
    assert EventRecord.objects.filter(name="invoice.sent").count() == len(invoices)


@pytest.mark.django_db(transaction=True)
def test_concurrent_workers_do_not_deadlock_when_the_server_is_down(settings, unused_tcp_port):
    settings.EMAIL_BACKEND = "config.core.mail.SmtpBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", unused_tcp_port
    for _ in range(12):
        InvoiceFactory()
    while tasks.render_documents():
        pass
    deliver()
    now = timezone.now() + timedelta(seconds=61)
    at_once(4, lambda n: deliver_documents(now=now.isoformat()))
    assert not InvoiceDelivery.objects.filter(due_at__lte=now).exists()


@pytest.mark.django_db(transaction=True)
def test_concurrent_sends_queue_one_mail():
    invoice = InvoiceFactory(status="sent")
    at_once(8, lambda n: services.send_invoice(invoice_id=invoice.id).id)
    assert InvoiceDelivery.objects.filter(invoice=invoice, status="queued").count() == 1


def test_the_language_of_the_order_precedes_that_of_the_organization(mailbox, api):
    Seller.objects.create(organization_id="org_1", name="Casa Luna", language="en")
    invoice = InvoiceFactory(locale="es")
    assert api.get(f"/api/v1/orders/{invoice.order_id}").json()["locale"] == "es"
    deliver()
    (mail,) = mailbox.mails
    assert mail["Subject"] == f"Factura {invoice.number}"
    assert "Hola, Juan Pérez:" in mail.get_body().get_content()
    (pdf,) = mail.iter_attachments()
    assert "Precio unitario" in text_of(pdf.get_content())[0]
