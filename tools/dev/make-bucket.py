"""Makes the bucket argv[2] at the endpoint argv[1], and has the store announce finished multipart uploads."""

import sys

import boto3
from botocore.config import Config

endpoint, bucket = sys.argv[1:3]
s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=Config(s3={"addressing_style": "path"}))
if bucket not in [known["Name"] for known in s3.list_buckets()["Buckets"]]:
    s3.create_bucket(Bucket=bucket)
s3.put_bucket_notification_configuration(
    Bucket=bucket,
    NotificationConfiguration={
        "QueueConfigurations": [
            {"QueueArn": "arn:minio:sqs::MR:webhook", "Events": ["s3:ObjectCreated:CompleteMultipartUpload"]}
        ]
    },
)
