"""Makes fan-out panic on events that contain a text: `poison.py STACK TEXT`. `poison.py STACK` undoes it.

With a text, the events queue also returns messages again after seconds, and only a few times, so that a message becomes a
dead letter soon instead of after a day.
"""

import json
import sys

import boto3

VARIABLE = "POSTHORN_PANIC_ON"
RECEIVES = 3
VISIBILITY_SECONDS = 5


def main(stack, text=None):
    cloudformation = boto3.client("cloudformation")
    fan_out = cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId="FanOutFunction")
    set_variable(fan_out["StackResourceDetail"]["PhysicalResourceId"], text)
    if text:
        queue = cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId="EventsQueue")
        shorten(queue["StackResourceDetail"]["PhysicalResourceId"])


def set_variable(function, text):
    functions = boto3.client("lambda")
    variables = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    variables.pop(VARIABLE, None)
    if text:
        variables[VARIABLE] = text
    functions.update_function_configuration(FunctionName=function, Environment={"Variables": variables})
    functions.get_waiter("function_updated_v2").wait(FunctionName=function)


def shorten(queue):
    sqs = boto3.client("sqs")
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["RedrivePolicy"])["Attributes"]
    redrive = {**json.loads(attributes["RedrivePolicy"]), "maxReceiveCount": RECEIVES}
    attributes = {"VisibilityTimeout": str(VISIBILITY_SECONDS), "RedrivePolicy": json.dumps(redrive)}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes=attributes)


if __name__ == "__main__":
    main(*sys.argv[1:])
