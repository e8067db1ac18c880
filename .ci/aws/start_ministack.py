"""Starts MiniStack, an emulator of AWS, and adds the features that Posthorn's template needs.

The template is deployed unchanged, so these features, which MiniStack 1.4 lacks, are added to MiniStack:

- Routes of an HTTP API are read from its OpenAPI body, as SAM writes it. They are not separate resources.
- A queue's redrive policy is set when the queue is created.
- An alarm on an expression over several metrics is accepted, but not evaluated.
- A stack says whether it is protected from deletion, which `sam delete` asks.
- A function's process handles one invocation after another, in AWS's runtime interface emulator. MiniStack would start a
  process for each, and return an invocation twice if the process asks for the next one before it is killed.

It uses MiniStack's environment variables, and FUNCTIONS_LOG: the file for the functions' output.
"""

import atexit
import json
import os
import threading

from ministack import app
from ministack.services import lambda_svc, sqs
from ministack.services.cloudformation import handlers, provisioners

from emulator import ExecutionEnvironment


def main():
    supplement("AWS::ApiGatewayV2::Api", with_routes)
    supplement("AWS::SQS::Queue", with_redrive_policy)
    supplement("AWS::CloudWatch::Alarm", with_expressions)
    actions = handlers._ACTION_HANDLERS
    actions["DescribeStacks"] = with_termination_protection(actions["DescribeStacks"])
    functions = Functions(os.environ["FUNCTIONS_LOG"])
    atexit.register(functions.end)
    lambda_svc._execute_function_provided = functions.execute
    app.main()


def supplement(resource_type, wrap):
    """Replaces the code with which CloudFormation creates resources of a type."""
    of_type = provisioners._RESOURCE_HANDLERS[resource_type]
    of_type["create"] = wrap(of_type["create"])


def with_routes(create):
    def create_api(logical_id, props, stack):
        api_id, attributes = create(logical_id, props, stack)
        for path, methods in props.get("Body", {}).get("paths", {}).items():
            for method, operation in methods.items():
                create_route(stack, api_id, path, method, operation["x-amazon-apigateway-integration"])
        return api_id, attributes

    return create_api


def create_route(stack, api_id, path, method, integration):
    any_method = method == "x-amazon-apigateway-any-method"
    key = path if path == "$default" else f"{'ANY' if any_method else method.upper()} {path}"
    integration_id, _ = provisioners._apigw_v2_integration_create(
        key, {"ApiId": api_id, "IntegrationUri": integration["uri"]}, stack
    )
    route = {"ApiId": api_id, "RouteKey": key, "Target": f"integrations/{integration_id}"}
    provisioners._apigw_v2_route_create(key, route, stack)


def with_redrive_policy(create):
    def create_queue(logical_id, props, stack):
        url, attributes = create(logical_id, props, stack)
        for name in ("RedrivePolicy", "RedriveAllowPolicy"):
            if name in props:
                sqs._queues[url]["attributes"][name] = json.dumps(props[name])
        return url, attributes

    return create_queue


def with_expressions(create):
    def create_alarm(logical_id, props, stack):
        if "Metrics" not in props:
            return create(logical_id, props, stack)
        name = provisioners._physical_name(stack, logical_id, max_len=255)
        region, account = provisioners.get_region(), provisioners.get_account_id()
        return name, {"Arn": f"arn:aws:cloudwatch:{region}:{account}:alarm:{name}"}

    return create_alarm


def with_termination_protection(describe):
    def describe_stacks(params):
        status, headers, body = describe(params)
        unprotected = b"<EnableTerminationProtection>false</EnableTerminationProtection>"
        return status, headers, body.replace(b"<Parameters>", unprotected + b"<Parameters>")

    return describe_stacks


class Functions:
    """The execution environments of all functions. Each invocation gets its own: an idle one, or else a new one."""

    def __init__(self, log):
        self.log = log
        self.lock = threading.Lock()
        self.idle = {}
        self.all = set()

    def execute(self, function, event):
        """Invokes a function, instead of MiniStack's own `_execute_function_provided`."""
        config = function.get("config") or function
        # Take the key now, because MiniStack changes the configuration in place.
        key = self.key(config)
        environment = self.take(key, config, function["code_zip"])
        try:
            payload, is_error = environment.invoke(event)
        except OSError as cause:
            self.drop(environment)
            return {"body": {"errorType": type(cause).__name__, "errorMessage": str(cause)}, "error": True}
        with self.lock:
            self.idle.setdefault(key, []).append(environment)
        return {"body": payload, "error": True} if is_error else {"body": payload}

    def take(self, key, config, code):
        with self.lock:
            self.end_outdated(key)
            if self.idle.get(key):
                return self.idle[key].pop()
        variables = {
            **lambda_svc._runtime_env_vars(config),
            "AWS_REGION": lambda_svc.get_region(),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_LAMBDA_FUNCTION_NAME": config["FunctionName"],
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config["MemorySize"]),
            "AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"],
        }
        folder = lambda_svc._provided_runtime_code_dir(code)
        environment = ExecutionEnvironment(folder, config["Handler"], variables, config["Timeout"], self.log)
        with self.lock:
            self.all.add(environment)
        return environment

    def drop(self, environment):
        with self.lock:
            self.all.discard(environment)
        environment.end()

    def end_outdated(self, key):
        """Ends idle environments with the function's former configuration."""
        for outdated in [other for other in self.idle if other[0] == key[0] and other != key]:
            for environment in self.idle.pop(outdated):
                self.all.discard(environment)
                environment.end()

    def end(self):
        """Ends all environments."""
        for environment in list(self.all):
            environment.end()

    @staticmethod
    def key(config):
        return config["FunctionName"], json.dumps([config["CodeSha256"], config.get("Environment"), config["Timeout"]])


if __name__ == "__main__":
    main()
