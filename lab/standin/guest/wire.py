"""XML-RPC in OpenNebula's form, with 64-bit numbers, and calls with a deadline."""

import http.client
import socket
import time
import xmlrpc.client
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit
from xml.parsers.expat import ExpatError
from xml.sax.saxutils import escape

UNKNOWN_METHOD = -506


class CallError(Exception):
    """The other side did not answer in time, or with a fault."""


def encode_request(method: str, params: Sequence[Any]) -> bytes:
    """Return the text of a call."""
    inner = "".join(f"<param>{_value(param)}</param>" for param in params)
    return (
        f'<?xml version="1.0"?><methodCall><methodName>{method}</methodName>'
        f"<params>{inner}</params></methodCall>"
    ).encode()


def encode_response(result: Sequence[Any]) -> str:
    """Return the text of an answer."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\r\n<methodResponse>\r\n<params>\r\n'
        f"<param>{_value(list(result))}</param>\r\n</params>\r\n</methodResponse>\r\n"
    )


def encode_fault(code: int, text: str) -> str:
    """Return the text of a fault."""
    return xmlrpc.client.dumps(xmlrpc.client.Fault(code, text))


def decode_request(body: bytes) -> tuple[str, list[Any]]:
    """Return method and parameters of a call."""
    text = body.decode()
    # As the library of oned does.
    if any(character > "\uffff" for character in text):
        raise ValueError("UTF-8 string contains a character not in the Basic Multilingual Plane")
    params, method = xmlrpc.client.loads(text)
    if method is None:
        raise ValueError("not a method call")
    return method, list(params)


def call(endpoint: str, method: str, params: Sequence[Any], timeout: float) -> Any:
    """Call a method of a server. Raises CallError."""
    url = urlsplit(endpoint)
    if url.scheme != "http" or not url.hostname:
        raise CallError(f"not an endpoint: {endpoint!r}")
    deadline = time.monotonic() + timeout
    connection = http.client.HTTPConnection(url.hostname, url.port or 80, timeout=timeout or None)
    try:
        headers = {"Content-Type": "text/xml"}
        connection.request("POST", url.path or "/", encode_request(method, params), headers)
        if timeout and connection.sock is not None:
            connection.sock.settimeout(max(deadline - time.monotonic(), 0.001))
        answer = connection.getresponse().read()
        return xmlrpc.client.loads(answer.decode())[0][0]
    except xmlrpc.client.Fault as fault:
        raise CallError(fault.faultString) from fault
    except TimeoutError as error:
        raise CallError("RPC call timed out and aborted") from error
    except (OSError, http.client.HTTPException, ExpatError, socket.gaierror) as error:
        raise CallError(f"libcurl failed to execute the HTTP POST transaction: {error}") from error
    finally:
        connection.close()


def _value(value: Any) -> str:
    if isinstance(value, bool):
        inner = f"<boolean>{int(value)}</boolean>"
    elif isinstance(value, int):
        tag = "i4" if -(2**31) <= value < 2**31 else "i8"
        inner = f"<{tag}>{value}</{tag}>"
    elif isinstance(value, str):
        inner = f"<string>{escape(value)}</string>"
    elif isinstance(value, list):
        inner = f"<array><data>{''.join(_value(item) for item in value)}</data></array>"
    else:
        raise TypeError(f"XML-RPC has no form for {type(value).__name__}")
    return f"<value>{inner}</value>"
