"""Makes buckets, queues and notifications from deploy/aws/storage.yaml in the emulator, once.

    python init.py storage.yaml

Reads AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY. Repeating it is harmless.
"""

import pathlib
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

PATIENCE = 60  # seconds
STACK = "storage"
# It writes down what it has besides objects when it is stopped, and only then.
LOST = (
    "init: if the emulator was killed before, its queues are lost and buckets stand in the way; "
    "`docker compose down --volumes` begins anew, with an empty database"
)
GONE = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_COMPLETE")


def status(cloudformation):
    """The stack's status, or None where there is no stack."""
    try:
        return cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return None
        raise


def reasons(cloudformation):
    """Why resources could not be made."""
    events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
    return "; ".join(
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason')}"
        for event in reversed(events)
        if event["ResourceStatus"] == "CREATE_FAILED"
    )


def main():
    config = Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 5})
    cloudformation = boto3.client("cloudformation", config=config)
    now = status(cloudformation)
    if now in GONE:
        cloudformation.delete_stack(StackName=STACK)
        now = None
    if now is None:
        cloudformation.create_stack(
            StackName=STACK,
            TemplateBody=pathlib.Path(sys.argv[1]).read_text(),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[
                {"ParameterKey": "Prefix", "ParameterValue": "muniment"},
                {"ParameterKey": "WebOrigins", "ParameterValue": "http://localhost:3000"},
            ],
        )
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        now = status(cloudformation)
        if now == "CREATE_COMPLETE":
            break
        if now is None or not now.endswith("_IN_PROGRESS"):
            return f"init: the stack is {now}: {reasons(cloudformation)}\n{LOST}"
        time.sleep(0.5)
    else:
        return f"init: the stack is still {now} after {PATIENCE} s"
    names = [bucket["Name"] for bucket in boto3.client("s3", config=config).list_buckets()["Buckets"]]
    queues = boto3.client("sqs", config=config).list_queues(QueueNamePrefix="muniment").get("QueueUrls", [])
    print("\n".join(sorted(names) + sorted(queues)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
