"""Submits a complaint and asks what became of it.

    python -m venv venv && venv/bin/pip install grpcio grpcio-tools
    venv/bin/python -m grpc_tools.protoc --proto_path=proto --python_out=venv/stubs --grpc_python_out=venv/stubs \
        $(cd proto && find masar -name '*.proto')          # after: mkdir venv/stubs
    PYTHONPATH=venv/stubs venv/bin/python docs/examples/submit.py masar-data/credentials.json
"""
import json
import sys

import grpc
from google.protobuf.struct_pb2 import Struct
from masar.cases.v1 import cases_pb2, cases_pb2_grpc
from masar.intake.v1 import intake_pb2, intake_pb2_grpc

with open(sys.argv[1]) as credentials:
    key = json.load(credentials)["api_key"]
metadata = [("authorization", f"ApiKey {key}"), ("masar-tenant", "DEMO-LAB")]
channel = grpc.insecure_channel(sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1:7420")

form = Struct()
form.update(
    {
        "channel": "call_centre",
        "language": "ar",
        "service": "LAB-S01",
        "subject": "تأخر التجديد",
        "description": "ثلاثة أسابيع",
    }
)
# The same source system and reference is the same case: a call that was cut off can be made again.
request = intake_pb2.SubmitCaseRequest(
    case_type="complaint", source_system="python-example", external_ref="1", form=form
)
accepted = intake_pb2_grpc.IntakeServiceStub(channel).SubmitCase(request, metadata=metadata, timeout=10)
print(accepted.reference, "(it had come before)" if accepted.duplicate else "")

cases = cases_pb2_grpc.CaseServiceStub(channel)
# Whoever names version 1 waits until the case is open.
opened = cases.GetCase(cases_pb2.GetCaseRequest(case=accepted.case_id, at_least_version=1), metadata=metadata, timeout=10)
print(opened.state_label.ar, "/", opened.state_label.en)
