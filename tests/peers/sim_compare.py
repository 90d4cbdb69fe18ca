#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The same requests to a real API server and to mooring-sim: whatever differs fails, but for what is named here.

    tests/peers/with-peers cluster tests/peers/sim_compare.py MOORING-SIM [PATTERN]

PATTERN shows the differences of the steps whose names match, also of known ones.  What is never the same (uids,
versions, times, addresses) is blanked first.  Ends with "N same, N known, N differ".
"""
import copy
import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

AP = "application/apply-patch+yaml"
NS = "/api/v1/namespaces/cmp"
BLANK = {"uid", "resourceVersion", "creationTimestamp", "time", "lastTransitionTime", "lastUpdateTime", "startTime",
         "nodePort", "deletionTimestamp"}
# Step → (where it differs, why that is not worth imitating). A step of these that differs elsewhere too fails, and so does
# one that does not differ any more.
PARSER, HASH = "the words of Go's own parsers", "the hash in a name is of Go's memory layout"
GO_VALUES = "the server prints Go values, or a diff of them"
KNOWN = {
    "cm bad json": (r"\.body\.message", PARSER),
    "cm bad json patch": (r"\.body\.message", PARSER),
    "cm badtype": (r"\.body\.message", PARSER),
    "cm apply garbage": (r"\.body\.message", PARSER),
    "dep post badtype": (r"\.body\.message", PARSER),
    "list bad sel": (r"\.body\.message", PARSER),
    "list cont bad": (r"\.body\.message", PARSER),
    "kind mismatch": (r"\.body\.message", "the server decodes the body first, as what the path says it is"),
    "delete rv": (r"\.body\.message", "the two servers count their versions each for itself"),
    "dep same": (r"\.body\.status\.conditions\[\d\]\.message", HASH),
    "dep get": (r"\.body\.status\.conditions\[\d\]\.message", HASH),
    "dep strategic": (r"\.body\.status\.conditions\[\d\]\.message", HASH),
    "web get": (r"\.body\.status\.conditions\[\d\]\.message", HASH),
    "sts get": (r"\.body\.status\.(current|update)Revision", HASH),
    "job tmpl": (r"\.body\.(message|details\.causes\[0\]\.message)", GO_VALUES),
    "pvc modes": (r"\.body\.(message|details\.causes\[0\]\.message)", GO_VALUES),
    "pvc shrink": (r"\.body\.(message|details\.causes\[0\]\.message)", GO_VALUES),
    "ssar": (r"\.body\.metadata", "managedFields of a review, which is never stored"),
    "api old": (r"\.body\.serverAddressByClientCIDRs\[0\]\.serverAddress", "each has its own address"),
    "cr disc2": (r"\.body\.resources\[0\]\.storageVersionHash", "a hash that nobody reads"),
}
# The same, but only in some runs.
SOMETIMES = {
    "dep unknown": (r"\.body\.message", "the server walks the fields of an object in another order each time"),
    "cr merge": (r"\.body\.metadata\.managedFields\[[23]\]\..*", "they stand by their seconds: one may begin between two writes of one server"),
}
# Steps whose causes the server names in another order each time: custom objects' fields, and managers of a conflict.
UNORDERED = r"cr .*|.*conflict.*"


def unordered(body):
    """BODY with its causes, and the words of its message, sorted."""
    if not isinstance(body, dict) or body.get("kind") != "Status":
        return body
    body = copy.deepcopy(body)
    body["message"] = sorted(re.split(r"[\s,\[\]]+", body.get("message", "")))
    causes = (body.get("details") or {}).get("causes")
    if causes:
        causes.sort(key=json.dumps)
    return body


def blank(value):
    if isinstance(value, dict):
        return {k: "*" if k in BLANK else blank(v) for k, v in value.items()}
    if isinstance(value, list):
        return [blank(v) for v in value]
    if isinstance(value, str):
        value = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", value)
        value = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID", value)
        return re.sub(r"\b10\.\d+\.\d+\.\d+", "IP", value)
    return value


def differences(real, sim, path=""):
    if isinstance(real, dict) and isinstance(sim, dict):
        return [d for k in sorted(set(real) | set(sim))
                for d in differences(real.get(k, "(absent)"), sim.get(k, "(absent)"), f"{path}.{k}")]
    if isinstance(real, list) and isinstance(sim, list) and len(real) == len(sim):
        return [d for i, (a, b) in enumerate(zip(real, sim)) for d in differences(a, b, f"{path}[{i}]")]
    return [] if real == sim else [f"{path}: real {json.dumps(real)}\n        sim  {json.dumps(sim)}"]


def judge(name, found):
    """same, known or differ"""
    place = (KNOWN.get(name) or SOMETIMES.get(name) or (None,))[0]
    if not found:
        return "differ" if name in KNOWN else "same"
    return "known" if place and all(re.fullmatch(place, d.split(":", 1)[0]) for d in found) else "differ"


def mod(value, **changes):
    """A copy of VALUE with members set, or removed by None; a__b__0 is a path."""
    value = copy.deepcopy(value)
    for path, new in changes.items():
        *parents, last = path.split("__")
        at = value
        for p in parents:
            at = at[int(p)] if p.isdigit() else at[p]
        if new is None:
            at.pop(last)
        else:
            at[last] = new
    return value


class Compare:
    """Both servers, and the tally."""

    def __init__(self, program, pattern, folder):
        self.pattern, self.count = pattern, {"same": 0, "known": 0, "differ": 0}
        address = os.path.join(folder, "address")
        self.process = subprocess.Popen([program, "--address-file", address, "--pod-start", "0", "--token", ""],
                                        stdout=subprocess.DEVNULL)
        while not os.path.exists(address):
            time.sleep(0.02)
        with open(address, encoding="utf-8") as f:
            self.sim_base = "http://" + f.read()
        self.context = ssl.create_default_context(cafile=os.environ["PEERS_CA"])
        self.context.load_cert_chain(os.environ["PEERS_ADMIN_CERT"], os.environ["PEERS_ADMIN_KEY"])

    def request(self, base, method, path, body=None, kind=None):
        headers, data = {"User-Agent": "cmp/1.0"}, None
        if body is not None:
            data = (body if isinstance(body, str) else json.dumps(body)).encode()
            headers["Content-Type"] = kind or "application/json"
        request = urllib.request.Request(base + path, data, headers, method=method)
        try:
            answer = urllib.request.urlopen(request, timeout=20,
                                            context=self.context if base.startswith("https") else None)
        except urllib.error.HTTPError as e:
            answer = e
        text = answer.read().decode()
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        kept = {k: v for k, v in answer.headers.items() if k in ("Warning", "Retry-After", "Content-Type")}
        return {"code": answer.status, "body": blank(value), "headers": kept}

    def real(self, method, path, body=None, kind=None):
        return self.request(os.environ["PEERS_API"], method, path, body, kind)

    def step(self, name, method, path, body=None, kind=None):
        answers = [self.real(method, path, body, kind), self.request(self.sim_base, method, path, body, kind)]
        if re.fullmatch(UNORDERED, name):
            answers = [answer | {"body": unordered(answer["body"])} for answer in answers]
        found = differences(*answers)
        verdict = judge(name, found)
        self.count[verdict] += 1
        if verdict == "differ" or (found and self.pattern and re.search(self.pattern, name)):
            print(f"{verdict} {name}: {method} {path}")
            for d in found or ["is the same by now: strike it from KNOWN"]:
                print("    " + d[:2000])

    def apply(self, name, path, body, manager="mooring", force=True, extra=""):
        self.step(name, "PATCH", f"{path}?fieldManager={manager}&force={'true' if force else 'false'}{extra}", body, AP)

    @staticmethod
    def pause(seconds):
        """For both servers' controllers to come to rest: there is no event that says so."""
        time.sleep(seconds)


def steps(c):
    c.real("DELETE", NS)
    while c.real("GET", NS)["code"] != 404:
        c.pause(0.2)
    c.step('ns create','POST','/api/v1/namespaces',{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'cmp'}})
    c.pause(.7)
    c.step('version get ns','GET',NS)
    c.step('no auth path','GET','/apis/nope/v1/foos')
    c.step('unknown resource','GET','/api/v1/foos')
    c.step('404 get','GET',NS+'/configmaps/zz')
    c.step('404 get deploy','GET','/apis/apps/v1/namespaces/cmp/deployments/zz')
    c.step('ns 404 create','POST','/api/v1/namespaces/nope/configmaps',{'metadata':{'name':'a'}})
    cm={'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'a'},'data':{'x':'1'}}
    c.apply('cm apply',NS+'/configmaps/a',cm)
    c.apply('cm apply same',NS+'/configmaps/a',cm)
    c.apply('cm conflict',NS+'/configmaps/a',{**cm,'data':{'x':'2'}},'other',False)
    c.apply('cm force',NS+'/configmaps/a',{**cm,'data':{'x':'2'}},'other',True)
    c.step('cm post exists','POST',NS+'/configmaps',cm)
    new = lambda name: {**cm,'metadata':{'name':name,'resourceVersion':'1'}}    # what no object has: made, or refused
    c.apply('cm apply new there',NS+'/configmaps/a',new('a'))
    c.apply('cm apply new other there',NS+'/configmaps/a',new('a'),'other')
    c.apply('cm apply new dryrun',NS+'/configmaps/n',new('n'),extra='&dryRun=All')
    c.apply('cm apply new',NS+'/configmaps/n',new('n'))
    c.apply('cm apply new again',NS+'/configmaps/n',new('n'))
    c.step('cm put','PUT',NS+'/configmaps/a',{**cm,'data':{'x':'3','y':'4'}})
    c.step('cm mgd','GET',NS+'/configmaps/a')
    c.apply('cm conflict2',NS+'/configmaps/a',{**cm,'data':{'x':'9','y':'8'}},'mooring',False)
    c.step('cm put stale','PUT',NS+'/configmaps/a',{**cm,'metadata':{'name':'a','resourceVersion':'1'}})
    c.step('cm put name','PUT',NS+'/configmaps/a',{**cm,'metadata':{'name':'b'}})
    c.step('cm put ns','PUT',NS+'/configmaps/a',{**cm,'metadata':{'name':'a','namespace':'zz'}})
    c.step('cm merge','PATCH',NS+'/configmaps/a',{'data':{'y':None,'z':'1'}},'application/merge-patch+json')
    c.step('cm json','PATCH',NS+'/configmaps/a',[{'op':'add','path':'/metadata/labels','value':{'l':'v'}}],'application/json-patch+json')
    c.step('cm json missing','PATCH',NS+'/configmaps/a',[{'op':'remove','path':'/data/nope'}],'application/json-patch+json')
    c.step('cm json test','PATCH',NS+'/configmaps/a',[{'op':'test','path':'/data/z','value':'9'}],'application/json-patch+json')
    c.step('cm strat','PATCH',NS+'/configmaps/a',{'metadata':{'labels':{'l':None,'m':'n'}}},'application/strategic-merge-patch+json')
    c.step('cm patch type','PATCH',NS+'/configmaps/a',{'metadata':{}},'application/json')
    c.step('cm bad json','PUT',NS+'/configmaps/a','{"a":')
    c.step('cm bad json patch','PATCH',NS+'/configmaps/a','{"a":','application/merge-patch+json')
    c.step('cm no manager','PATCH',NS+'/configmaps/a',cm,AP)
    c.step('cm dryrun bad','PUT',NS+'/configmaps/a?dryRun=Foo',cm)
    c.step('cm dryrun','PUT',NS+'/configmaps/a?dryRun=All',{**cm,'data':{'q':'1'}})
    c.step('cm strict','POST',NS+'/configmaps?fieldValidation=Strict',{**cm,'metadata':{'name':'s'},'dat':{}})
    c.step('cm warn','POST',NS+'/configmaps',{**cm,'metadata':{'name':'s'},'dat':{}})
    c.step('cm badtype','POST',NS+'/configmaps',{**cm,'metadata':{'name':'t'},'data':{'x':1}})
    c.apply('cm apply unknown',NS+'/configmaps/a',{**cm,'dat':{}})
    c.apply('cm apply unknown strict',NS+'/configmaps/a',{**cm,'dat':{}},extra='&fieldValidation=Strict')
    c.apply('cm apply badtype',NS+'/configmaps/a',{**cm,'data':{'x':1}})
    c.apply('cm apply wrongname',NS+'/configmaps/a',{**cm,'metadata':{'name':'zz'}})
    c.apply('cm apply wrongkind',NS+'/configmaps/a',{**cm,'kind':'Secret'})
    c.apply('cm apply wrongver',NS+'/configmaps/a',{**cm,'apiVersion':'v2'})
    c.apply('cm apply mf',NS+'/configmaps/a',{**cm,'metadata':{'name':'a','managedFields':[]}})
    c.apply('cm apply noname',NS+'/configmaps/a',{**cm,'metadata':{}})
    c.apply('cm apply garbage',NS+'/configmaps/a','a: [')
    c.step('kind mismatch','POST',NS+'/configmaps',{**cm,'kind':'Secret'})
    c.step('ver mismatch','POST',NS+'/configmaps',{**cm,'apiVersion':'v2'})
    c.step('bad name','POST',NS+'/configmaps',{**cm,'metadata':{'name':'A_b'}})
    c.step('no name','POST',NS+'/configmaps',{**cm,'metadata':{}})
    c.step('bad label','POST',NS+'/configmaps',{**cm,'metadata':{'name':'l','labels':{'a':'b c'}}})
    c.step('rv create','POST',NS+'/configmaps',{**cm,'metadata':{'name':'r','resourceVersion':'5'}})
    c.step('list','GET',NS+'/configmaps?labelSelector=m%3Dn')
    c.step('list bad sel','GET',NS+'/configmaps?labelSelector=a%3D%3D%3Db')
    c.step('list fs','GET',NS+'/configmaps?fieldSelector=metadata.name%3Ds')
    c.step('list bad fs','GET',NS+'/configmaps?fieldSelector=data.x%3Ds')
    c.step('list limit','GET','/api/v1/namespaces?limit=abc')
    c.step('list cont bad','GET',NS+'/configmaps?limit=1&continue=zzz')
    c.step('delete uid','DELETE',NS+'/configmaps/s',{'kind':'DeleteOptions','apiVersion':'v1','preconditions':{'uid':'x'}})
    c.step('delete rv','DELETE',NS+'/configmaps/s',{'kind':'DeleteOptions','apiVersion':'v1','preconditions':{'resourceVersion':'1'}})
    c.step('delete','DELETE',NS+'/configmaps/s')
    c.step('delete 404','DELETE',NS+'/configmaps/s')
    c.step('post named','POST',NS+'/configmaps/a',cm)
    c.step('put coll','PUT',NS+'/configmaps',cm)
    c.step('patch 404','PATCH',NS+'/configmaps/zz',{'data':{}},'application/merge-patch+json')
    c.step('put 404','PUT',NS+'/configmaps/zz',{**cm,'metadata':{'name':'zz'}})
    # finalizers
    c.step('fin','POST',NS+'/configmaps',{**cm,'metadata':{'name':'f','finalizers':['x.io/y']}})
    c.step('fin del','DELETE',NS+'/configmaps/f')
    c.step('fin get','GET',NS+'/configmaps/f')
    c.step('fin rm','PATCH',NS+'/configmaps/f',{'metadata':{'finalizers':None}},'application/merge-patch+json')
    c.step('fin gone','GET',NS+'/configmaps/f')
    # secrets
    sec={'apiVersion':'v1','kind':'Secret','metadata':{'name':'s'},'stringData':{'p':'pässword'},'data':{'q':'YQ=='}}
    c.apply('sec',NS+'/secrets/s',sec)
    c.step('sec type','PATCH',NS+'/secrets/s',{'type':'x'},'application/merge-patch+json')
    c.step('sec b64','POST',NS+'/secrets',{'metadata':{'name':'b'},'data':{'q':'%%%'}})
    c.step('cm immut','POST',NS+'/configmaps',{'metadata':{'name':'im'},'immutable':True,'data':{'a':'b'}})
    c.step('cm immut2','PATCH',NS+'/configmaps/im',{'data':{'a':'c'}},'application/merge-patch+json')
    # service
    svc={'apiVersion':'v1','kind':'Service','metadata':{'name':'s'},'spec':{'selector':{'a':'b'},'ports':[{'name':'http','port':80}]}}
    c.apply('svc',NS+'/services/s',svc)
    c.apply('svc same',NS+'/services/s',svc)
    c.step('svc edit port','PATCH',NS+'/services/s',[{'op':'replace','path':'/spec/ports/0/port','value':81}],'application/json-patch+json')
    c.apply('svc dup',NS+'/services/s',svc)
    c.step('svc clusterip','PATCH',NS+'/services/s',{'spec':{'clusterIP':'10.0.0.77'}},'application/merge-patch+json')
    c.apply('svc noport',NS+'/services/s2',{**svc,'metadata':{'name':'s2'},'spec':{'selector':{'a':'b'}}})
    c.apply('svc 2 noname',NS+'/services/s2',{**svc,'metadata':{'name':'s2'},'spec':{'ports':[{'port':1},{'port':2}]}})
    c.apply('svc headless',NS+'/services/s3',{**svc,'metadata':{'name':'s3'},'spec':{'clusterIP':'None','ports':[{'port':1}]}})
    c.apply('svc nodeport',NS+'/services/s4',{**svc,'metadata':{'name':'s4'},'spec':{'type':'NodePort','ports':[{'port':1}]}})
    c.apply('svc lb',NS+'/services/s5',{**svc,'metadata':{'name':'s5'},'spec':{'type':'LoadBalancer','ports':[{'port':1}]}})
    c.apply('svc extname',NS+'/services/s6',{**svc,'metadata':{'name':'s6'},'spec':{'type':'ExternalName','externalName':'a.b'}})
    c.apply('svc dup keys',NS+'/services/s7',{**svc,'metadata':{'name':'s7'},'spec':{'ports':[{'port':1,'name':'a'},{'port':1,'name':'b'}]}})
    c.apply('svc badname',NS+'/services/1s',{**svc,'metadata':{'name':'1s'}})
    # workloads
    dep={'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'d'},'spec':{'replicas':0,'selector':{'matchLabels':{'a':'b'}},'template':{'metadata':{'labels':{'a':'b'}},'spec':{'containers':[{'name':'c','image':'x/y','ports':[{'containerPort':80,'name':'http'}],'env':[{'name':'E','valueFrom':{'fieldRef':{'fieldPath':'metadata.name'}}}],'livenessProbe':{'httpGet':{'port':80}},'resources':{'limits':{'cpu':'1'}},'volumeMounts':[{'name':'v','mountPath':'/v'}]}],'initContainers':[{'name':'i','image':'q:latest'}],'volumes':[{'name':'v','secret':{'secretName':'s'}},{'name':'w','configMap':{'name':'s'}},{'name':'e','emptyDir':{}},{'name':'p','projected':{'sources':[{'serviceAccountToken':{'path':'t'}}]}},{'name':'h','hostPath':{'path':'/x'}}]}}}}
    DP='/apis/apps/v1/namespaces/cmp/deployments/d'
    c.apply('dep',DP,dep)
    c.pause(.5)
    c.apply('dep same',DP,dep)
    c.apply('dep sel',DP,mod(mod(dep,spec__selector={'matchLabels':{'a':'c'}}),spec__template__metadata__labels={'a':'c'}))
    c.apply('dep selmismatch',DP,mod(dep,spec__template__metadata__labels={'a':'c'}))
    c.apply('dep nosel',DP+'2',mod(mod(dep,metadata__name='d2'),spec__selector=None))
    c.apply('dep noimage',DP+'3',mod(mod(dep,metadata__name='d3'),spec__template__spec__containers=[{'name':'c'}]))
    c.apply('dep nocont',DP+'3',mod(mod(dep,metadata__name='d3'),spec__template__spec__containers=None))
    c.apply('dep dupcont',DP+'3',mod(mod(dep,metadata__name='d3'),spec__template__spec__containers=[{'name':'c','image':'a'},{'name':'c','image':'b'}]))
    c.apply('dep dupport',DP+'3',mod(mod(dep,metadata__name='d3'),spec__template__spec__containers=[{'name':'c','image':'a','ports':[{'containerPort':1,'name':'p'},{'containerPort':2,'name':'p'}]}]))
    c.apply('dep nomount',DP+'3',mod(mod(dep,metadata__name='d3'),spec__template__spec__volumes=None))
    c.apply('dep restart',DP+'3',mod(mod(dep,metadata__name='d3'),spec__template__spec__restartPolicy='Never'))
    c.apply('dep unknown',DP+'3',mod(mod(dep,metadata__name='d3'),spec__foo='Never',spec__template__spec__bar=1))
    c.apply('dep badtype',DP+'3',mod(mod(dep,metadata__name='d3'),spec__replicas='x'))
    c.apply('dep negative',DP+'3',mod(mod(dep,metadata__name='d3'),spec__replicas=-1,spec__minReadySeconds=-2,spec__revisionHistoryLimit=-3))
    c.apply('dep negative later',DP,mod(dep,spec__replicas=-1))
    c.step('dep post unknown strict','POST','/apis/apps/v1/namespaces/cmp/deployments?fieldValidation=Strict',mod(mod(dep,metadata__name='d3'),spec__foo='Never',spec__template__spec__bar=1))
    c.step('dep post badtype','POST','/apis/apps/v1/namespaces/cmp/deployments',mod(mod(dep,metadata__name='d3'),spec__replicas='x'))
    c.step('dep scale get','GET',DP+'/scale')
    c.step('dep scale put','PUT',DP+'/scale',{'apiVersion':'autoscaling/v1','kind':'Scale','metadata':{'name':'d','namespace':'cmp'},'spec':{'replicas':0}})
    c.step('dep scale patch','PATCH',DP+'/scale',{'spec':{'replicas':0}},'application/merge-patch+json')
    c.step('dep scale neg','PATCH',DP+'/scale',{'spec':{'replicas':-1}},'application/merge-patch+json')
    c.pause(.5)
    c.step('dep get','GET',DP)
    c.step('dep strategic','PATCH',DP,{'spec':{'template':{'spec':{'containers':[{'name':'c','env':[{'name':'E2','value':'x'}]}]}}}},'application/strategic-merge-patch+json')
    ss={'apiVersion':'apps/v1','kind':'StatefulSet','metadata':{'name':'st'},'spec':{'replicas':0,'serviceName':'x','selector':{'matchLabels':{'a':'s'}},'template':{'metadata':{'labels':{'a':'s'}},'spec':{'containers':[{'name':'c','image':'x@sha256:aa','volumeMounts':[{'name':'data','mountPath':'/d'}]}]}},'volumeClaimTemplates':[{'metadata':{'name':'data'},'spec':{'accessModes':['ReadWriteOnce'],'resources':{'requests':{'storage':'1Gi'}}}}]}}
    SP='/apis/apps/v1/namespaces/cmp/statefulsets/st'
    c.apply('sts',SP,ss)
    c.pause(.5)
    c.apply('sts negative',SP,mod(ss,spec__replicas=-1))
    c.step('sts get','GET',SP)
    c.apply('sts svcname',SP,mod(ss,spec__serviceName='y'))
    c.apply('sts vct',SP,mod(ss,spec__volumeClaimTemplates__0__spec__resources={'requests':{'storage':'2Gi'}}))
    ds={'apiVersion':'apps/v1','kind':'DaemonSet','metadata':{'name':'ds'},'spec':{'selector':{'matchLabels':{'a':'ds'}},'template':{'metadata':{'labels':{'a':'ds'}},'spec':{'nodeSelector':{'no':'no'},'containers':[{'name':'c','image':'x:1'}]}}}}
    c.apply('ds','/apis/apps/v1/namespaces/cmp/daemonsets/ds',ds)
    c.pause(.4)
    c.step('ds get','GET','/apis/apps/v1/namespaces/cmp/daemonsets/ds')
    job={'apiVersion':'batch/v1','kind':'Job','metadata':{'name':'j'},'spec':{'suspend':True,'template':{'spec':{'restartPolicy':'Never','containers':[{'name':'c','image':'x'}]}}}}
    JP='/apis/batch/v1/namespaces/cmp/jobs/j'
    c.apply('job',JP,job)
    c.apply('job tmpl',JP,mod(job,spec__template__spec__containers=[{'name':'c','image':'y'}]))
    c.apply('job negative',JP+'2',mod(mod(job,metadata__name='j2'),spec__parallelism=-1,spec__completions=-2,spec__backoffLimit=-3))
    c.apply('job restart',JP+'2',mod(mod(job,metadata__name='j2'),spec__template__spec__restartPolicy=None))
    c.apply('cron','/apis/batch/v1/namespaces/cmp/cronjobs/c',{'apiVersion':'batch/v1','kind':'CronJob','metadata':{'name':'c'},'spec':{'schedule':'0 0 1 1 *','jobTemplate':{'spec':job['spec']}}})
    pvc={'apiVersion':'v1','kind':'PersistentVolumeClaim','metadata':{'name':'p'},'spec':{'storageClassName':'nope','accessModes':['ReadWriteOnce'],'resources':{'requests':{'storage':'1Gi'}}}}
    c.apply('pvc',NS+'/persistentvolumeclaims/p',pvc)
    c.apply('pvc modes',NS+'/persistentvolumeclaims/p',mod(pvc,spec__accessModes=['ReadWriteMany']))
    c.apply('pvc shrink',NS+'/persistentvolumeclaims/p',mod(pvc,spec__resources={'requests':{'storage':'1Mi'}}))
    c.apply('pvc nosize',NS+'/persistentvolumeclaims/p2',mod(mod(pvc,metadata__name='p2'),spec__resources=None))
    c.apply('pvc nomode',NS+'/persistentvolumeclaims/p2',mod(mod(pvc,metadata__name='p2'),spec__accessModes=None))
    c.step('pvc del','DELETE',NS+'/persistentvolumeclaims/p')
    # rbac etc
    RB='/apis/rbac.authorization.k8s.io/v1/namespaces/cmp/'
    c.apply('role',RB+'roles/r',{'apiVersion':'rbac.authorization.k8s.io/v1','kind':'Role','metadata':{'name':'r'},'rules':[{'apiGroups':[''],'resources':['pods'],'verbs':['get']}]})
    rb={'apiVersion':'rbac.authorization.k8s.io/v1','kind':'RoleBinding','metadata':{'name':'r'},'roleRef':{'apiGroup':'rbac.authorization.k8s.io','kind':'Role','name':'r'},'subjects':[{'kind':'ServiceAccount','name':'default','namespace':'cmp'},{'kind':'User','name':'u'}]}
    c.apply('rb',RB+'rolebindings/r',rb)
    c.apply('rb ref',RB+'rolebindings/r',mod(rb,roleRef__name='q'))
    c.apply('sa',NS+'/serviceaccounts/q',{'apiVersion':'v1','kind':'ServiceAccount','metadata':{'name':'q'}})
    c.apply('np','/apis/networking.k8s.io/v1/namespaces/cmp/networkpolicies/n',{'apiVersion':'networking.k8s.io/v1','kind':'NetworkPolicy','metadata':{'name':'n'},'spec':{'podSelector':{},'ingress':[{'ports':[{'port':80}]}]}})
    c.apply('ing','/apis/networking.k8s.io/v1/namespaces/cmp/ingresses/n',{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{'name':'n'},'spec':{'rules':[{'http':{'paths':[{'path':'/','pathType':'Prefix','backend':{'service':{'name':'s','port':{'number':80}}}}]}}]}})
    c.apply('pdb','/apis/policy/v1/namespaces/cmp/poddisruptionbudgets/n',{'apiVersion':'policy/v1','kind':'PodDisruptionBudget','metadata':{'name':'n'},'spec':{'minAvailable':1,'selector':{'matchLabels':{'zz':'b'}}}})
    c.apply('hpa','/apis/autoscaling/v2/namespaces/cmp/horizontalpodautoscalers/n',{'apiVersion':'autoscaling/v2','kind':'HorizontalPodAutoscaler','metadata':{'name':'n'},'spec':{'maxReplicas':3,'scaleTargetRef':{'apiVersion':'apps/v1','kind':'Deployment','name':'d'},'metrics':[{'type':'Resource','resource':{'name':'cpu','target':{'type':'Utilization','averageUtilization':50}}}]}})
    c.apply('lease','/apis/coordination.k8s.io/v1/namespaces/cmp/leases/l',{'apiVersion':'coordination.k8s.io/v1','kind':'Lease','metadata':{'name':'l'},'spec':{'holderIdentity':'x'}})
    c.apply('vwc','/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/cmp',{'apiVersion':'admissionregistration.k8s.io/v1','kind':'ValidatingWebhookConfiguration','metadata':{'name':'cmp'},'webhooks':[{'name':'a.b.c','admissionReviewVersions':['v1'],'sideEffects':'None','clientConfig':{'service':{'name':'x','namespace':'y'}},'rules':[{'apiGroups':['zz.zz'],'apiVersions':['v1'],'operations':['CREATE'],'resources':['zzs']}],'failurePolicy':'Ignore'}]})
    c.step('vwc del','DELETE','/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/cmp')
    c.step('ssar','POST','/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',{'apiVersion':'authorization.k8s.io/v1','kind':'SelfSubjectAccessReview','spec':{'resourceAttributes':{'verb':'get','resource':'pods'}}})
    c.step('pod bad sa','POST',NS+'/pods',{'metadata':{'name':'p'},'spec':{'serviceAccountName':'nope','containers':[{'name':'c','image':'x'}]}})
    c.step('api old','GET','/api')
    c.step('api v1 err','GET','/api/v2')
    # crd
    crd={'apiVersion':'apiextensions.k8s.io/v1','kind':'CustomResourceDefinition','metadata':{'name':'foos.cmp.io'},'spec':{'group':'cmp.io','scope':'Namespaced','names':{'kind':'Foo','plural':'foos'},'versions':[{'name':'v1','served':True,'storage':True,'subresources':{'status':{}},'schema':{'openAPIV3Schema':{'type':'object','properties':{'spec':{'type':'object','required':['mode'],'properties':{'mode':{'type':'string','enum':['a','b']},'n':{'type':'integer','minimum':1,'maximum':5,'default':3},'s':{'type':'string','minLength':2,'pattern':'^[a-z]+$'},'list':{'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['name'],'items':{'type':'object','required':['name'],'properties':{'name':{'type':'string'},'v':{'type':'string'}}}},'any':{'type':'object','x-kubernetes-preserve-unknown-fields':True},'ios':{'x-kubernetes-int-or-string':True},'arr':{'type':'array','items':{'type':'string'}}}},'status':{'type':'object','properties':{'ok':{'type':'boolean'}}}}}}}]}}
    CP='/apis/apiextensions.k8s.io/v1/customresourcedefinitions/foos.cmp.io'
    FP='/apis/cmp.io/v1/namespaces/cmp/foos'
    c.real('DELETE', CP)
    c.pause(1)
    c.apply('crd',CP,crd)
    c.pause(1.5)
    c.step('crd get','GET',CP)
    foo={'apiVersion':'cmp.io/v1','kind':'Foo','metadata':{'name':'f'},'spec':{'mode':'a','list':[{'name':'x','v':'1'}],'any':{'q':[1,{'a':'b'}]}}}
    c.apply('cr',FP+'/f',foo)
    c.apply('cr same',FP+'/f',foo)
    c.apply('cr list2',FP+'/f',mod(foo,spec__list=[{'name':'y','v':'2'}]),'other',False)
    c.apply('cr conflict',FP+'/f',mod(foo,spec__list=[{'name':'x','v':'2'}],spec__any={'q':2}),'third',False)
    c.apply('cr enum',FP+'/g',mod(mod(foo,metadata__name='g'),spec__mode='c'))
    c.apply('cr required',FP+'/g',mod(mod(foo,metadata__name='g'),spec__mode=None))
    c.apply('cr type',FP+'/g',mod(mod(foo,metadata__name='g'),spec__n='x'))
    c.apply('cr min',FP+'/g',mod(mod(foo,metadata__name='g'),spec__n=0))
    c.apply('cr max',FP+'/g',mod(mod(foo,metadata__name='g'),spec__n=9,spec__s='A'))
    c.apply('cr unknown',FP+'/g',mod(mod(foo,metadata__name='g'),spec__zz=9))
    c.step('cr post unknown','POST',FP,mod(mod(foo,metadata__name='g'),spec__zz=9))
    c.step('cr post strict','POST',FP+'?fieldValidation=Strict',mod(mod(foo,metadata__name='h'),spec__zz=9))
    c.step('cr put no rv','PUT',FP+'/f',foo)
    c.step('cr status','PATCH',FP+'/f/status',{'status':{'ok':True},'spec':{'mode':'b'}},'application/merge-patch+json')
    c.step('cr merge','PATCH',FP+'/f',{'spec':{'n':4}},'application/merge-patch+json')
    c.step('cr strat','PATCH',FP+'/f',{'spec':{'n':4}},'application/strategic-merge-patch+json')
    c.step('cr status type','PATCH',FP+'/f/status',{'status':{'ok':'x'}},'application/merge-patch+json')
    c.step('cr delete','DELETE',FP+'/f')
    c.step('cr disc','GET','/apis/cmp.io')
    c.step('cr disc2','GET','/apis/cmp.io/v1')
    c.step('crd del','DELETE',CP)
    c.pause(1)
    c.step('crd gone','GET',CP)
    c.step('cr gone','GET',FP)
    # commands: what is refused before a kubelet is asked (the rest is tests/peers/provider_kube_exec.c)
    pair={'apiVersion':'v1','kind':'Pod','metadata':{'name':'pair'},'spec':{'nodeName':'nowhere','containers':[{'name':'a','image':'nginx:1'},{'name':'b','image':'nginx:1'}]}}
    c.real('POST',NS+'/pods',pair)                  # its own fields are not what is compared here
    c.request(c.sim_base,'POST',NS+'/pods',pair)
    c.step('exec no pod','GET',NS+'/pods/none/exec?command=true&stdout=true')
    c.step('exec other container','GET',NS+'/pods/pair/exec?command=true&stdout=true&container=c')
    c.step('exec no container','GET',NS+'/pods/pair/exec?command=true&stdout=true')
    # rollouts for real
    web={'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'web'},'spec':{'replicas':2,'selector':{'matchLabels':{'w':'b'}},'template':{'metadata':{'labels':{'w':'b'}},'spec':{'containers':[{'name':'c','image':'nginx:1'}]}}}}
    WP='/apis/apps/v1/namespaces/cmp/deployments/web'
    c.apply('web',WP,web)
    c.pause(4)
    c.step('web get','GET',WP)


def main():
    with tempfile.TemporaryDirectory() as folder:
        c = Compare(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None, folder)
        try:
            steps(c)
        finally:
            c.process.terminate()
            ended = c.process.wait(20)
    print(f"{c.count['same']} same, {c.count['known']} known, {c.count['differ']} differ")
    return 1 if c.count["differ"] or ended else 0


if __name__ == "__main__":
    sys.exit(main())
