"""Text within XML."""

from __future__ import annotations

from xml.sax import saxutils

from hypothesis import given
from hypothesis import strategies as st

from space import xml_text


@given(st.text(st.sampled_from("&<>;ampltgt#3 xµ\"'")))
def test_text_within_xml_is_that_of_the_standard_library(text):
    assert xml_text.escape(text) == saxutils.escape(text)
    assert xml_text.unescape(text) == saxutils.unescape(text)
    assert xml_text.unescape(xml_text.escape(text)) == text
