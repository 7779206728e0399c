"""Payloads of ``error`` and ``metrics``."""

from __future__ import annotations

from enum import Enum
from typing import Any

from pydantic import BaseModel


class ModuleType(str, Enum):
    """Kinds of modules; the base knows more."""

    ASR = "asr"


class ModuleErrorCode(str, Enum):
    """Severities. The values are *strings*; ``ModuleError.code`` is an int."""

    OK = "0"
    FATAL_ERROR = "-1000"
    NON_FATAL_ERROR = "1000"


class ModuleErrorVendorInfo(BaseModel):
    """What the vendor said."""

    vendor: str = ""
    code: str = ""
    message: str = ""


class ModuleError(BaseModel):
    """An error report."""

    id: str = ""
    module: str = ""
    code: int = 0
    message: str = ""
    vendor_info: ModuleErrorVendorInfo | None = None
    metadata: dict[str, Any] = {}


class ModuleMetricKey(str, Enum):
    """Keys of a metrics payload; times in ms."""

    ASR_TTFW = "ttfw"
    ASR_TTLW = "ttlw"
    ASR_CONNECT_DELAY = "connect_delay"
    ASR_ACTUAL_SEND = "actual_send"
    ASR_ACTUAL_SEND_DELTA = "actual_send_delta"
    ASR_VENDOR_METRICS = "vendor_metrics"


class ModuleMetrics(BaseModel):
    """A metrics report."""

    id: str = ""
    module: str = ""
    vendor: str = ""
    metrics: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
