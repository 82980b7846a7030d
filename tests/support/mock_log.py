"""librdkafka's mock cluster: a broker whose errors a test chooses, for what a healthy Kafka never answers."""

import ctypes
import pathlib

import confluent_kafka

PRODUCE = 0  # keys of the protocol's requests
OUT_OF_ORDER_SEQUENCE_NUMBER = 45


class MockLog:
    def __init__(self):
        packages = pathlib.Path(confluent_kafka.__file__).parent.parent
        self.lib = ctypes.CDLL(str(next(packages.glob("confluent_kafka.libs/librdkafka*"))))
        for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
            getattr(self.lib, name).restype = ctypes.c_void_p
        self.lib.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        conf = ctypes.c_void_p(self.lib.rd_kafka_conf_new())
        self.client = ctypes.c_void_p(self.lib.rd_kafka_new(0, conf, None, ctypes.c_size_t(0)))
        self.cluster = ctypes.c_void_p(self.lib.rd_kafka_mock_cluster_new(self.client, 1))
        self.brokers = self.lib.rd_kafka_mock_cluster_bootstraps(self.cluster).decode()

    def fail_next(self, request: int, *errors: int) -> None:
        self.lib.rd_kafka_mock_push_request_errors(
            self.cluster, ctypes.c_int16(request), ctypes.c_size_t(len(errors)), *[ctypes.c_int(e) for e in errors]
        )

    def close(self) -> None:
        self.lib.rd_kafka_mock_cluster_destroy(self.cluster)
        self.lib.rd_kafka_destroy(self.client)
