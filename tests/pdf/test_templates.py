"""Templates that operators upload for their organization."""

import threading

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from config.api import bulkheads
from config.pdf import rendering
from config.pdf.examples import example
from config.pdf.models import Template
from fulfillment import documents as warehouse
from invoices import documents
from invoices.models import Document, Seller
from tests.documents import text_of
from tests.factories import InvoiceFactory, credit
from tests.fulfillment.factories import FulfillmentFactory
from tests.shipments.factories import create, label, packed

pytestmark = pytest.mark.django_db

ADD = reverse("admin:pdf_template_add")
OWN = '#import "layout.typ": *\n#show: in-fonts\nOwn #data.number'
MAY = [f"pdf.{action}_template" for action in ("add", "change", "delete")]


def page(template, name="change"):
    return reverse(f"admin:pdf_template_{name}", args=[template.pk])


def upload(client, source=OWN, url=ADD, **fields):
    content = source if isinstance(source, bytes) else source.encode()
    file = SimpleUploadedFile("own.typ", content)
    given = {"organization_id": "org_1", "document": "pick_list"} | fields
    return client.post(url, given | {"file": file})


def test_an_organization_prints_with_its_template_until_it_is_removed(operator):
    client, row = operator(*MAY), FulfillmentFactory()
    assert upload(client).status_code == 302
    assert text_of(warehouse.pick_list(row)) == [f"Own {row.order.number}"]
    assert "Packing slip" in text_of(warehouse.packing_slip(row))[0]
    other = FulfillmentFactory(organization_id="org_2")
    assert "Pick list" in text_of(warehouse.pick_list(other))[0]
    template = Template.objects.get()
    changed = upload(client, OWN.replace("Own", "New"), page(template))
    assert changed.status_code == 302
    assert text_of(warehouse.pick_list(row)) == [f"New {row.order.number}"]
    assert client.post(page(template, "delete"), {"post": "yes"}).status_code == 302
    assert "Pick list" in text_of(warehouse.pick_list(row))[0]


def test_an_uploaded_template_precedes_those_of_the_folder(operator, settings, tmp_path):
    settings.DOCUMENT_TEMPLATES = str(tmp_path)
    (tmp_path / "pick_list.typ").write_text("Shop")
    row = FulfillmentFactory()
    assert text_of(warehouse.pick_list(row)) == ["Shop"]
    upload(operator())
    assert text_of(warehouse.pick_list(row)) == [f"Own {row.order.number}"]


def test_every_document_is_printed_with_the_template_of_its_organization(operator, media):
    client = operator()
    for document in ("credit_note", "invoice"):
        source = f"{OWN}\n#attach-xml()"
        assert upload(client, source, document=document).status_code == 302
    assert upload(client, OWN, document="label").status_code == 302
    invoice = credit(InvoiceFactory(), "1")
    printed = {text_of(documents.render(each))[0] for each in Document.objects.all()}
    assert printed == {f"Own {number}" for number in (invoice.number, "CN-2026-0001")}
    shipment = label(create(packed()))
    pdf = (media / shipment.bought_label.path).read_bytes()
    assert text_of(pdf) == [f"Own {shipment.tracking_number}"]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("#let x = (", "unclosed delimiter"),
        ("#data.nothing", "unknown variable"),
        ('#read("/etc/passwd")', "file not found"),
        ("\ue000", "is in no font"),
        (b"\xff", "The file is not a text in UTF-8."),
        (b"\0", "Null characters are not allowed."),
        (b"", "The submitted file is empty."),
        (b"x" * 500_001, "The file is larger than 500 kB."),
    ],
    ids=["syntax", "variable", "file", "font", "not UTF-8", "null", "empty", "large"],
)
def test_a_faulty_template_is_refused_with_its_error(operator, source, shown):
    response = upload(operator(), source)
    assert response.status_code == 200
    assert shown in response.context["adminform"].form.errors["file"][0]
    assert not Template.objects.exists()


def test_a_faulty_template_leaves_the_stored_one(operator):
    client = operator()
    upload(client)
    refused = upload(client, "#let x = (", page(Template.objects.get()))
    assert refused.status_code == 200
    assert Template.objects.get().source == OWN


def test_a_template_that_does_not_end_is_refused(operator, monkeypatch):
    monkeypatch.setattr(rendering, "TIMEOUT", 1)
    endless = "#let n = range(99999)\n#for a in n { for b in n { let c = a + b } }"
    response = upload(operator(), endless)
    assert "was stopped" in response.context["adminform"].form.errors["file"][0]


def test_a_template_that_loses_the_electronic_invoice_is_refused(operator):
    response = upload(operator(), OWN, document="invoice")
    assert "add `#attach-xml()`" in response.context["adminform"].form.errors["file"][0]


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (
            '#pdf.attach("logo.txt", bytes("x"), mime-type: "text/plain", description: "x")',
            "add `#attach-xml()`",
        ),
        ("#attach-xml()\n#data.xml", "dictionary does not contain key"),
    ],
    ids=["another file", "without an electronic invoice"],
)
def test_a_template_of_invoices_prints_them_with_xml_and_without(operator, source, error):
    response = upload(operator(), f"{OWN}\n{source}", document="invoice")
    assert error in response.context["adminform"].form.errors["file"][0]


def test_a_document_has_one_template(operator):
    client = operator()
    upload(client)
    again = upload(client)
    assert "The organization has a template for this document." in again.content.decode()
    assert Template.objects.count() == 1


def test_a_template_waits_for_its_turn(operator):
    started, done = threading.Event(), threading.Event()

    def other_document():
        with bulkheads.rendering_of("org_1"):
            started.set()
            done.wait(10)

    other = threading.Thread(target=other_document)
    other.start()
    started.wait(10)
    response = upload(operator())
    done.set()
    other.join()
    shown = response.context["adminform"].form.errors["file"]
    assert shown == ["Another document is being made. Try again in a moment."]


@pytest.mark.parametrize("document", Template.Document.values)
def test_the_example_is_printed_for_the_operator(operator, document):
    source = (rendering.TEMPLATES / f"{document}.typ").read_text()
    client = operator(*MAY)
    assert upload(client, source, document=document).status_code == 302
    shown = client.get(page(Template.objects.get(), "example"))
    assert (shown.status_code, shown["Content-Type"]) == (200, "application/pdf")
    assert example(document)["number"] in text_of(shown.content)[0]


def test_a_template_that_a_new_version_broke_says_so(operator):
    template = Template.objects.create(
        organization_id="org_1", document="label", source="#no-longer-there"
    )
    shown = operator().get(page(template, "example"), follow=True)
    assert shown.redirect_chain == [(page(template), 302)]
    assert "label.typ is faulty: error: unknown variable" in shown.content.decode()


@pytest.mark.parametrize(
    ("permissions", "statuses"),
    [
        (["pdf.view_template"], (403, 403, 403)),
        (["pdf.add_template"], (302, 403, 403)),
        (["pdf.change_template"], (403, 302, 403)),
        (["pdf.delete_template"], (403, 403, 302)),
        (["invoices.change_invoice", "invoices.change_seller"], (403, 403, 403)),
    ],
)
def test_templates_need_permissions_of_their_own(operator, permissions, statuses):
    client = operator(*permissions)
    own = Template.objects.create(organization_id="org_1", document="label", source=OWN)
    assert (
        upload(client).status_code,
        upload(client, url=page(own)).status_code,
        client.post(page(own, "delete"), {"post": "yes"}).status_code,
    ) == statuses


def test_staff_upload_for_their_organizations_only(operator):
    client = operator(*MAY)
    foreign = Template.objects.create(organization_id="org_2", document="label", source=OWN)
    response = upload(client, organization_id="org_2")
    assert "org_2 is not one of the available choices" in response.content.decode()
    assert upload(client, url=page(foreign)).status_code == 302  # to the list: there is none
    assert Template.objects.get().source == OWN
    assert client.get(page(foreign, "example")).status_code == 404


def keys(value):
    """Return the names in the data of a document, at every depth; an address has what is known."""
    if isinstance(value, dict):
        parts = [each for name, each in value.items() if not is_address(name, each)]
        return set(value).union(*map(keys, parts))
    return set().union(*map(keys, value)) if isinstance(value, list | tuple) else set()


def is_address(name, value):
    return name in ("sender", "recipient") or (name == "lines" and isinstance(value, dict))


@pytest.mark.parametrize("document", Template.Document.values)
def test_the_examples_have_the_data_of_real_documents(document, monkeypatch, media):
    compiled, given = rendering._compile, {}

    def keep(template, data):
        given[template.stem] = data
        return compiled(template, data)

    monkeypatch.setattr(rendering, "_compile", keep)
    electronic = {"tax_id": "DE1", "country": "DE", "untaxed_reason": "x", "e_invoices": True}
    Seller.objects.create(organization_id="org_1", name="x", **electronic)
    if document in ("invoice", "credit_note"):
        credit(InvoiceFactory(), "1")
        for each in Document.objects.all():
            documents.render(each)
    elif document == "label":
        label(create(packed()))
    elif document == "pick_list":
        warehouse.pick_list(FulfillmentFactory(status="started"))
    else:
        warehouse.packing_slip(FulfillmentFactory(status="packed"))
    assert keys(given[document]) == keys(example(document))
