"""The users of the shop: Online Boutique's own mix of pages, for the real shop and for the demo shop.

By hand:     locust -f locustfile.py --host http://localhost:8080
By loadtest: the environment variables below set the course, and every request is written to standard output.

VIPERSCALE_STAGES      JSON [{"users": 4, "seconds": 20, "spawn_rate": 20}, ...]: users over time; the end of the
                       last stage ends the run. Without it, Locust's own options (-u, -r, -t) apply.
VIPERSCALE_WAIT_SCALE  factor on the users' wait of 1 to 10 s between tasks (1).
VIPERSCALE_START_SPREAD  seconds over which users that start together open their first page, so that they do not all
                       open it at once (0). Each user's moment follows from the seed.
VIPERSCALE_SEED        each user's choices and waits follow from it and from the user's number (0).
VIPERSCALE_TIMEOUT     seconds after which a user gives a page up (10).
VIPERSCALE_EVENTS      "stdout": write one JSON object per line, as soon as it happens. "at" is the wall clock in
                       seconds, "ms" milliseconds:
    {"type": "stage", "at", "index", "users"}    the stage's first change of users: for more users, the
                                                 moment when the first of them starts
    {"type": "request", "at", "route", "status", "ms", "ok", "error"}    at its end; "status" 0: no answer
    {"type": "users", "at", "users"}             once a second
    {"type": "end", "at", "complete", "requests", "failures"}    the plan was completed, or the run was stopped
                                                 before; the counts are those of Locust's own statistics
"""

import itertools
import json
import os
import random
import sys
import time

import gevent
from locust import FastHttpUser, LoadTestShape, events, task

PRODUCTS = [
    "0PUK6V6EV0",
    "1YMWWN1N4O",
    "2ZYFJ3GM2N",
    "66VCHSJNUP",
    "6E92ZMYYFZ",
    "9SIQT8TOJO",
    "L9ECAV7KIM",
    "LS4PSXUNUM",
    "OLJCESPC7Z",
]
CURRENCIES = ["EUR", "USD", "JPY", "CAD", "GBP", "TRY"]

STAGES = json.loads(os.environ.get("VIPERSCALE_STAGES", "[]"))
WAIT_SCALE = float(os.environ.get("VIPERSCALE_WAIT_SCALE", "1"))
START_SPREAD = float(os.environ.get("VIPERSCALE_START_SPREAD", "0"))
SEED = os.environ.get("VIPERSCALE_SEED", "0")
TIMEOUT = float(os.environ.get("VIPERSCALE_TIMEOUT", "10"))

EVENTS = None
if os.environ.get("VIPERSCALE_EVENTS") == "stdout":
    # Only events may reach the reader: whatever else prints goes to standard error from here on.
    EVENTS = os.dup(1)
    os.dup2(2, 1)


def write_event(kind, **fields):
    """Writes one line with one system call, so that a kill loses nothing that was said before it."""
    if EVENTS is None:
        return
    line = json.dumps({"type": kind, "at": fields.pop("at", None) or time.time(), **fields}) + "\n"
    try:
        os.write(EVENTS, line.encode())
    except BrokenPipeError:
        # Nobody counts any more: load that nobody counts must not go on.
        os._exit(1)


class Stages:
    """Which stage the run is in, and which stages' first changes of users have been told."""

    index = 0
    told = set()

    @classmethod
    def enter(cls, index):
        if index != cls.index:
            cls.index = index
            # A stage that only takes users away has no first user: its start is now.
            if STAGES[index]["users"] <= STAGES[index - 1]["users"]:
                cls.tell(index)

    @classmethod
    def tell(cls, index):
        if STAGES and index not in cls.told:
            cls.told.add(index)
            write_event("stage", index=index, users=STAGES[index]["users"])


if STAGES:

    class Plan(LoadTestShape):
        """Users over time, as VIPERSCALE_STAGES says. Locust asks once a second."""

        def tick(self):
            left = self.get_run_time()
            for index, stage in enumerate(STAGES):
                if left < stage["seconds"]:
                    Stages.enter(index)
                    return stage["users"], stage["spawn_rate"]
                left -= stage["seconds"]
            Run.complete = True
            return None


class Run:
    complete = False


class Shopper(FastHttpUser):
    """Looks at the index first, then goes on as the weights say."""

    # Redirects are followed as a browser does: adding to the cart also shows it.
    connection_timeout = TIMEOUT
    network_timeout = TIMEOUT
    # One user has one page open at a time.
    concurrency = 1

    numbers = itertools.count()

    def on_start(self):
        stage = Stages.index
        # Each user draws from its own source: the order in which answers arrive changes nobody's choices.
        self.random = random.Random(f"{SEED}-{next(self.numbers)}")
        if START_SPREAD:
            gevent.sleep(self.random.uniform(0, START_SPREAD))
        Stages.tell(stage)
        self.index()

    def wait_time(self):
        return self.random.uniform(1, 10) * WAIT_SCALE

    @task
    def next_page(self):
        (choice,) = self.random.choices(TASKS, WEIGHTS)
        choice(self)

    def index(self):
        self.client.get("/")

    def set_currency(self):
        self.client.post("/setCurrency", data={"currency_code": self.random.choice(CURRENCIES)})

    def browse_product(self):
        self.look_at(self.random.choice(PRODUCTS))

    def view_cart(self):
        self.client.get("/cart")

    def add_to_cart(self):
        product = self.random.choice(PRODUCTS)
        self.look_at(product)
        self.client.post("/cart", data={"product_id": product, "quantity": self.random.randint(1, 10)})

    def checkout(self):
        self.add_to_cart()
        self.client.post(
            "/cart/checkout",
            data={
                "email": "someone@example.com",
                "street_address": "1600 Amphitheatre Parkway",
                "zip_code": "94043",
                "city": "Mountain View",
                "state": "CA",
                "country": "United States",
                "credit_card_number": "4432-8015-6152-0454",
                "credit_card_expiration_month": "1",
                "credit_card_expiration_year": "2039",
                "credit_card_cvv": "672",
            },
        )

    def look_at(self, product):
        self.client.get(f"/product/{product}", name="/product/{id}")


TASKS, WEIGHTS = zip(
    (Shopper.index, 1),
    (Shopper.set_currency, 2),
    (Shopper.browse_product, 10),
    (Shopper.add_to_cart, 2),
    (Shopper.view_cart, 3),
    (Shopper.checkout, 1),
)


@events.request.add_listener
def on_request(request_type, name, response_time, exception, response=None, start_time=None, **_):
    status = getattr(response, "status_code", 0) or 0
    error = None if exception is None else (str(exception) or type(exception).__name__)[:200]
    write_event(
        "request",
        at=start_time and start_time + response_time / 1000,
        route=f"{request_type} {name}",
        status=status,
        ms=round(response_time, 2),
        ok=exception is None,
        error=error,
    )


@events.test_start.add_listener
def on_test_start(environment, **_):
    def count():
        while True:
            write_event("users", users=environment.runner.user_count)
            gevent.sleep(1)

    if EVENTS is not None:
        gevent.spawn(count)


@events.quitting.add_listener
def on_quitting(environment, **_):
    total = environment.stats.total
    write_event("end", complete=Run.complete, requests=total.num_requests, failures=total.num_failures)
    sys.stderr.flush()
