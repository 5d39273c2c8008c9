"""Nothing that is sent makes the service fail: malformed requests, too large ones.

`HEADWATER_EXAMPLES=625` sends ten thousand to each store, besides those that the OpenAPI document
suggests.
"""

import http.client
import json
import re
import threading
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import station

schemathesis = pytest.importorskip("schemathesis")

MANY = settings(
    max_examples=4 * settings.default.max_examples,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)
WORDS = st.sampled_from(
    [
        "result",
        "phenomenonTime",
        "name",
        "id",
        "@iot.id",
        "Datastream",
        "Thing",
        "Observations",
        "properties",
        "location",
        "eq",
        "ne",
        "gt",
        "le",
        "and",
        "or",
        "not",
        "add",
        "div",
        "mod",
        "null",
        "true",
        "now()",
        "year(",
        "length(",
        "st_within(",
        "geo.distance(",
        "substring(",
        "geography'POINT(1 2)'",
        "geography'POLYGON((1'",
        "duration'P1D'",
        "duration'P'",
        "'x'",
        "'",
        "2024-01-01T00:00:00Z",
        "2024-01-01T00:00:00",
        "2024-02-30",
        "12:00",
        "1",
        "-1",
        "1e400",
        "99999999999999999999999",
        "0.0",
        "(",
        ")",
        ",",
        "/",
        "[0]",
        "[-1]",
        ";",
        "$top=1",
        "%",
        "\\",
        '"',
        "\x00",
        "é",
        "😀",
        "\ud83d",
        "desc",
        "$select=name",
        "$expand=Thing",
        "=",
        "&",
        " ",
    ]
)
TEXT = st.lists(WORDS, max_size=9).map(" ".join) | st.text(max_size=20)
OPTION = st.sampled_from(
    [
        "$filter",
        "$orderby",
        "$expand",
        "$select",
        "$top",
        "$skip",
        "$count",
        "$resultFormat",
        "$skiptoken",
        "x",
    ]
)
SEGMENT = st.sampled_from(
    [
        "Things",
        "Things(1)",
        "Datastreams(1)",
        "Observations",
        "Observations('1@1704067200000000')",
        "Locations(1)",
        "MultiDatastreams",
        "FeaturesOfInterest(1)",
        "HistoricalLocations",
        "$ref",
        "$value",
        "name",
        "properties",
        "Datastream",
        "Thing",
        "Sensors('')",
        "CreateObservations",
        "$batch",
        "Things(-1)",
        "Things(9223372036854775808)",
        "..",
    ]
) | st.text(max_size=6)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.just({"@iot.id": 1})
    | st.just("2024-01-01T00:00:00Z"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "description",
                    "result",
                    "phenomenonTime",
                    "Datastream",
                    "Thing",
                    "Locations",
                    "location",
                    "encodingType",
                    "Observations",
                    "components",
                    "dataArray",
                    "requests",
                    "method",
                    "url",
                    "id",
                    "op",
                    "path",
                    "value",
                    "unitOfMeasurement",
                    "properties",
                    "time",
                    "@iot.id",
                    "body",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


def encoded(text):
    return quote(text.encode("utf-8", "surrogatepass"), safe="/()'@$,:")


def fine(service, method, address, body=None, media="application/json"):
    """Send what may be malformed; whatever comes back is an answer, and none says 500."""
    headers = {"Content-Type": media} if body is not None else {}
    answer = service.session.request(method, address, data=body, headers=headers, timeout=30)
    assert answer.status_code < 500 or answer.status_code == 501, (
        method,
        address,
        body,
        answer.text,
    )
    if answer.status_code >= 400 and answer.content:
        assert re.search(r"\w", answer.json()["message"])
    return answer


@pytest.fixture(scope="module")
def filled(service):
    service.post("Things", station())
    return service


@MANY
@given(
    path=st.lists(SEGMENT, max_size=4).map("/".join),
    options=st.lists(st.tuples(OPTION, TEXT), max_size=3),
)
def test_random_addresses(filled, path, options):
    query = "&".join(f"{name}={encoded(value)}" for name, value in options)
    fine(filled, "GET", f"{filled.url}/{encoded(path)}?{query}")


@MANY
@given(
    name=st.sampled_from(["Things", "Observations", "Datastreams", "Locations"]),
    option=OPTION,
    value=TEXT,
)
def test_random_options(filled, name, option, value):
    fine(filled, "GET", f"{filled.url}/{name}?{option}={encoded(value)}")


@MANY
@given(
    method=st.sampled_from(["POST", "PATCH", "PUT", "DELETE"]),
    path=st.lists(SEGMENT, max_size=3).map("/".join),
    body=JSON,
    media=st.sampled_from(["application/json", "application/json-patch+json", "text/plain", ""]),
)
def test_random_bodies(filled, method, path, body, media):
    fine(filled, method, f"{filled.url}/{encoded(path)}", json.dumps(body).encode(), media)


@MANY
@given(
    path=st.sampled_from(["Things", "$batch", "CreateObservations"]),
    body=st.binary(max_size=60),
    media=st.sampled_from(["application/json", "multipart/mixed; boundary=b", "multipart/mixed"]),
)
def test_random_bytes(filled, path, body, media):
    fine(filled, "POST", f"{filled.url}/{path}", body, media)


@pytest.mark.slow
def test_what_the_openapi_document_suggests(filled):
    """Schemathesis draws requests from the document, right and wrong ones."""
    document = filled.get("openapi.json")
    document["servers"] = [{"url": filled.url}]
    schema = schemathesis.openapi.from_dict(document)
    checked = []
    tries = 1 + settings.default.max_examples // 8
    operations = list(schema.get_all_operations())
    for result in operations:
        operation = result.ok()
        strategy = operation.as_strategy() | operation.as_strategy(
            generation_mode=schemathesis.GenerationMode.NEGATIVE
        )

        @given(case=strategy)
        @settings(MANY, max_examples=tries)
        def check(case):
            answer = case.call(base_url=filled.url)
            assert answer.status_code < 500 or answer.status_code == 501, answer.text
            checked.append(answer.status_code)

        check()
    assert len(operations) > 50
    assert len(checked) > 0.8 * tries * len(operations)


class TestTooLarge:
    def send(self, service, chunks, headers):
        """Send a body that never ends in chunks; returns the status and how much went out."""
        host, port = re.match(r"http://([\d.]+):(\d+)", service.url).groups()
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        sent = 0
        try:
            connection.putrequest("POST", "/v1.1/Things")
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            for chunk in chunks:
                connection.send(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                sent += len(chunk)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the service has hung up, as it should
        try:
            return connection.getresponse().status, sent
        except (http.client.HTTPException, OSError):
            return 413, sent
        finally:
            connection.close()

    def test_a_gigabyte_is_refused_in_bounded_memory(self, filled):
        import resource

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        chunk = b" " * 1_000_000
        chunked = {"Transfer-Encoding": "chunked", "Content-Type": "application/json"}
        status, sent = self.send(filled, (chunk for _ in range(1000)), chunked)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert status == 413
        assert sent < 1_000_000_000
        assert after - before < 150_000  # kB; the body of 32 MB that is allowed, and no more

    def test_a_declared_length_is_enough(self, filled):
        headers = {"Content-Length": "1000000000", "Content-Type": "application/json"}
        assert self.send(filled, (), headers)[0] == 413


def test_many_at_once_see_one_state(filled):
    """Four clients write the same fifty observations."""
    thing = filled.post("Things", station(n=0))
    stream = filled.values(f"Things({thing})/Datastreams")[0]["@iot.id"]
    path = f"Datastreams({stream})/Observations"
    problems = []

    def write():
        for minute in range(50):
            body = {"phenomenonTime": f"2030-01-01T00:{minute:02}:00Z", "result": minute}
            answer = filled.__class__(filled.url, None).call("POST", path, body)
            if answer.status_code != 201:
                problems.append(answer.text)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    new = "phenomenonTime ge 2030-01-01T00:00:00Z"
    assert filled.get(path, filter=new, count="true", top=0)["@iot.count"] == 50
