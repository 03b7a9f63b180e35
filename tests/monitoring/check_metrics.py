#!/usr/bin/env python3
"""Every metric that a rule or a panel names must exist in a scraped stack.

check_metrics.py PROMETHEUS_URL rules.yml dashboard.json [--absent NAME=REASON ...]

Names come from Prometheus's own parser where it can be asked: each expression
is sent to /api/v1/query (a mistake is an error), and the names in it are read
by taking strings, label sets, functions and keywords out. What a phase cannot
have (a slot, a replica) must be excused by name, and an excuse that is not
needed is an error too. Needs PyYAML; the project's own test can do the same.
"""
import json
import re
import sys
import urllib.parse
import urllib.request

import yaml

WORDS = set("""abs absent avg by ceil changes clamp count delta deriv floor group_left group_right histogram_quantile
ignoring increase irate le max min offset on or and unless rate round scalar sort sum time topk vector without bool""".split())


def names(expression):
    text = re.sub(r'"(?:[^"\\]|\\.)*"', "", expression)
    text = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", text)
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", text)
    return {w for w in re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", text) if w not in WORDS}


def ask(url, path, **query):
    with urllib.request.urlopen(f"{url}{path}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
        return json.load(answer)["data"]


def main():
    url, rules, dashboard, *rest = sys.argv[1:]
    excused = {r.split("=")[0] for r in rest if "=" in r}
    used = [(r["alert"], r["expr"]) for g in yaml.safe_load(open(rules))["groups"] for r in g["rules"]]
    used += [(f"panel {p['title']}", t["expr"]) for p in json.load(open(dashboard))["panels"] for t in p.get("targets", [])]
    there, mistakes, wanted = set(ask(url, "/api/v1/label/__name__/values")), [], set()
    for where, expression in used:
        try:
            ask(url, "/api/v1/query", query=expression.replace("$__rate_interval", "1m"))
        except urllib.error.HTTPError as e:
            mistakes.append(f"{where}: {json.load(e)['error']}")
        for name in names(expression):
            wanted.add(name)
            if name not in there and name not in excused:
                mistakes.append(f"{where}: nothing scraped is called {name}")
    mistakes += [f"excused, but it exists or nobody uses it: {n}" for n in excused if n in there or n not in wanted]
    print(f"{len(used)} expressions, {len(wanted)} metrics, {len(mistakes)} mistakes")
    print("\n".join(mistakes))
    sys.exit(1 if mistakes else 0)


main()
