# S3, SQS and CloudFormation for development, and boto3 for the job that makes the buckets and queues.
FROM python:3.12-slim
RUN pip install --no-cache-dir ministack==1.5.33 boto3==1.43.106 \
    && mkdir /state && chown 10001:10001 /state
USER 10001:10001
WORKDIR /tmp
CMD ["ministack"]
