"""What the tests of pages rest on."""

from __future__ import annotations

import pytest

GOOD = "<html lang=en><title>t</title><main><h1>T</h1><img src='' alt='a'>"


def test_a_page_that_is_in_order_passes(page, accessible):
    page.set_content(GOOD)
    accessible(page)


def test_a_picture_without_words_is_noticed(page, accessible):
    page.set_content(GOOD.replace("alt='a'", ""))
    with pytest.raises(AssertionError, match="image-alt"):
        accessible(page)
