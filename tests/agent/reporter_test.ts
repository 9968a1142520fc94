import { assertEquals } from "@std/assert";
import { Reporter } from "../../lib/agent/reporter.ts";
import { FakeLogger } from "../fakes/agent.ts";

Deno.test("Reporter says an event once and how often it repeated", () => {
  const logger = new FakeLogger();
  const reporter = new Reporter(logger);
  for (let time = 0; time < 3; time++) reporter.report("error", "one", "two");
  reporter.report("info", "one", "two");
  assertEquals(logger.take(), [
    "E one",
    "E two",
    "I Previous message repeated 2 times",
    "I one",
    "I two",
  ]);
});

Deno.test("Reporter tells events apart by their lines and their severity", () => {
  const logger = new FakeLogger();
  const reporter = new Reporter(logger);
  reporter.report("error", "a", "b");
  reporter.report("error", "ab");
  reporter.report("warning", "ab");
  assertEquals(logger.take(), ["E a", "E b", "E ab", "W ab"]);
});

Deno.test("Reporter.settle() makes the same event a new one", () => {
  const logger = new FakeLogger();
  const reporter = new Reporter(logger);
  reporter.report("warning", "drift");
  reporter.settle();
  reporter.report("warning", "drift");
  assertEquals(logger.take(), ["W drift", "W drift"]);
});
