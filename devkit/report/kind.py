"""By what a report is known, so that nothing else is written over."""

from __future__ import annotations

import re

MARK = '<meta name="generator" content="openai_asr_python devkit.report">'
#: How every report begins, in bytes.
BEGIN = re.compile(
    rb"\s*<!DOCTYPE html>\s*<html lang=\"en\">\s*<head>\s*"
    rb"<meta charset=\"utf-8\">\s*" + MARK.encode()
)
