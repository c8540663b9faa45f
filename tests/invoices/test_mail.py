"""Invoices at a real mail server."""

from datetime import timedelta
from io import BytesIO

import pypdf
import pytest
from django.utils import timezone

from events.models import EventRecord
from invoices import mail, selectors, services, tasks
from invoices.models import Invoice, InvoiceDelivery, Seller
from tests.factories import InvoiceFactory
from tests.facts import data, told
from tests.parallel import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]


def deliver(seconds=0):
    return tasks.deliver_documents(now=(timezone.now() + timedelta(seconds=seconds)).isoformat())


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
    text = pypdf.PdfReader(BytesIO(pdf.get_content())).pages[0].extract_text()
    for value in (invoice.number, "A shirt", "25.00", "50.00"):
        assert value in text
    body = mail.get_body().get_content().replace("\r\n", "\n")
    assert f"Hello Juan Pérez,\n\nattached is the invoice {invoice.number}" in body
    sent = data(invoice.order, "invoice.sent")
    assert sent["pdf_url"] in body
    assert (sent["recipient_email"], sent["invoice_id"]) == ("juan@example.com", invoice.id)


def test_it_is_sent_then_and_told_once(mailbox):
    invoice = InvoiceFactory()
    deliver()
    deliver(3600)
    invoice.refresh_from_db()
    assert (invoice.status, len(mailbox.mails)) == ("sent", 1)
    assert told(invoice.order).count("invoice.sent") == 1


def test_every_resend_is_told_again(mailbox):
    invoice = InvoiceFactory()
    deliver()
    services.send_invoice(invoice_id=invoice.id, recipient_email="office@example.com")
    deliver(1)
    assert [mail["To"] for mail in mailbox.mails] == ["juan@example.com", "office@example.com"]
    assert told(invoice.order).count("invoice.sent") == 2
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 2


def test_a_refused_recipient_leaves_it_unsent_and_is_tried_again(mailbox):
    mailbox.refused = {"juan@example.com"}
    invoice, other = InvoiceFactory(), InvoiceFactory(customer_email="ana@example.com")
    deliver()
    mail = InvoiceDelivery.objects.get(invoice=invoice)
    assert (mail.status, mail.attempts) == ("queued", 1)
    assert "no such mailbox" in mail.last_error
    assert Invoice.objects.get(pk=invoice.pk).status == "issued"
    assert Invoice.objects.get(pk=other.pk).status == "sent", "one does not hold up the others"
    mailbox.refused = set()
    assert deliver(5) == 0
    assert deliver(11) == 1
    assert Invoice.objects.get(pk=invoice.pk).status == "sent"
    assert InvoiceDelivery.objects.get(pk=mail.pk).last_error == ""


def test_a_server_that_is_away_is_tried_again_and_the_waits_grow(settings, unused_tcp_port):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", unused_tcp_port
    InvoiceFactory()
    now, waits = timezone.now() + timedelta(hours=1), []
    for _ in range(11):
        tasks.deliver_documents(now=now.isoformat())
        mail = InvoiceDelivery.objects.get()
        waits.append((mail.due_at - now).total_seconds())
        now = mail.due_at
    assert waits == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
    assert "ConnectionRefusedError" in mail.last_error


def test_after_three_days_nobody_tries_any_more_until_somebody_asks_for_it(mailbox):
    mailbox.refused = {"juan@example.com"}
    invoice = InvoiceFactory()
    now = timezone.now()
    while mail := InvoiceDelivery.objects.exclude(due_at=None).first():
        now = max(now, mail.due_at) + timedelta(seconds=1)
        tasks.deliver_documents(now=now.isoformat())
    assert timedelta(days=2) < now - timezone.now() < timedelta(days=4)
    waiting = Invoice.objects.filter(selectors.NOT_SENT)
    assert waiting.get() == invoice
    mailbox.refused = set()
    services.send_invoice(invoice_id=invoice.id)
    assert deliver(1) == 1
    assert not waiting.exists()


def test_a_server_that_is_away_for_a_week_gets_everything_then(settings, mailbox):
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 1  # nobody listens there
    InvoiceFactory()
    now = timezone.now()
    for _ in range(170):
        now += timedelta(hours=1)
        tasks.deliver_documents(now=now.isoformat())
    settings.EMAIL_PORT = port
    tasks.deliver_documents(now=(now + timedelta(hours=1, minutes=1)).isoformat())
    assert len(mailbox.mails) == 1


def test_an_invoice_that_went_elsewhere_waits_for_nobody(mailbox):
    mailbox.refused = {"juan@example.com"}
    invoice = InvoiceFactory()
    deliver()
    services.send_invoice(invoice_id=invoice.id, recipient_email="right@example.com")
    deliver(1)
    assert not Invoice.objects.filter(selectors.NOT_SENT).exists()


def test_a_mail_that_is_too_large_holds_up_no_other(mailbox):
    invoices = [InvoiceFactory(customer_email=f"c{n}@example.com") for n in range(3)]
    mailbox.too_large = {"c0@example.com"}
    deliver()
    assert len(mailbox.mails) == 2
    assert InvoiceDelivery.objects.exclude(last_error="").get().invoice_id == invoices[0].id


def test_a_run_that_lasts_longer_than_a_claim_mails_once(mailbox, monkeypatch):
    """It began minutes ago, and another worker comes along."""
    for n in range(3):
        InvoiceFactory(customer_email=f"c{n}@example.com")
    begun = (timezone.now() - timedelta(minutes=9)).isoformat()
    send = mail.send

    def slow(delivery):
        tasks.deliver_documents()  # the other worker, meanwhile
        return send(delivery)

    monkeypatch.setattr(mail, "send", slow)
    tasks.deliver_documents(now=begun)
    assert sorted(each["To"] for each in mailbox.mails) == [f"c{n}@example.com" for n in range(3)]


def test_a_run_whose_turn_is_over_leaves_the_rest_to_the_next(mailbox, monkeypatch):
    InvoiceFactory()
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "TURN", 0)
        assert tasks.deliver_documents() == 0
    tasks.deliver_documents()
    assert len(mailbox.mails) == 1


def test_when_the_server_is_away_it_is_not_asked_anew_for_each_mail(settings, mailbox):
    port = settings.EMAIL_PORT
    settings.EMAIL_PORT = 1  # nobody listens there
    for _ in range(3):
        InvoiceFactory()
    deliver()
    mails = InvoiceDelivery.objects.filter(last_error__contains="ConnectionRefusedError")
    assert sorted(mails.values_list("attempts", flat=True)) == [0, 0, 1]
    settings.EMAIL_PORT = port
    assert [deliver(5), deliver(11), deliver(61)] == [0, 1, 2]
    assert not mails.exists()


def test_without_an_address_nothing_is_mailed(mailbox):
    InvoiceFactory(customer_email=None)
    assert deliver() == 1
    assert mailbox.mails == []


def test_a_worker_killed_before_it_could_say_so_mails_again_under_the_same_id(mailbox, monkeypatch):
    InvoiceFactory()
    with monkeypatch.context() as patch:
        patch.setattr(services, "record_delivery", _die)
        with pytest.raises(SystemExit):
            deliver()
    assert deliver(299) == 0, "it may still be at it"
    assert deliver(301) == 1
    one, other = mailbox.mails
    assert one["Message-ID"] == other["Message-ID"]


def _die(**kwargs):
    raise SystemExit


@pytest.mark.django_db(transaction=True)
def test_many_workers_mail_each_invoice_once(mailbox):
    invoices = [InvoiceFactory(customer_email=f"c{n}@example.com") for n in range(12)]
    at_once(4, lambda n: deliver())
    assert len(mailbox.mails) == len({mail["To"] for mail in mailbox.mails}) == len(invoices)
    assert EventRecord.objects.filter(name="invoice.sent").count() == len(invoices)


@pytest.mark.django_db(transaction=True)
def test_many_workers_find_the_server_away_without_deadlock(settings, unused_tcp_port):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", unused_tcp_port
    for _ in range(12):
        InvoiceFactory()
    deliver()
    now = timezone.now() + timedelta(seconds=61)
    at_once(4, lambda n: tasks.deliver_documents(now=now.isoformat()))
    assert not InvoiceDelivery.objects.filter(due_at__lte=now).exists()


@pytest.mark.django_db(transaction=True)
def test_resending_at_once_queues_one_mail():
    invoice = InvoiceFactory(status="sent")
    at_once(8, lambda n: services.send_invoice(invoice_id=invoice.id).id)
    assert InvoiceDelivery.objects.filter(invoice=invoice, status="queued").count() == 1
