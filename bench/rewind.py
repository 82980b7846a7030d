"""rewind.py GROUP TOPIC: sets a stopped group's offsets to the start, with the public admin client."""

import os
import sys

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

group, topic = sys.argv[1:]
admin = AdminClient({"bootstrap.servers": os.environ["MR_BROKERS"]})
partitions = admin.list_topics(topic, timeout=10).topics[topic].partitions
wanted = [ConsumerGroupTopicPartitions(group, [TopicPartition(topic, p, 0) for p in partitions])]
for future in admin.alter_consumer_group_offsets(wanted).values():
    future.result()
