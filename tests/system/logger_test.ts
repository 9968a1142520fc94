import { assertEquals, assertMatch } from "@std/assert";
import { createLogger, formatJsonRecord, formatRecord } from "../../lib/system/logger.ts";

Deno.test("formatRecord() begins a line as klog does", () => {
  const datetime = new Date(2026, 10, 1, 9, 8, 7, 45);
  assertEquals(formatRecord({ level: 20, datetime, msg: "hello" }), "I1101 09:08:07.045000 hello");
  assertEquals(formatRecord({ level: 30, datetime, msg: "hello" })[0], "W");
  assertEquals(formatRecord({ level: 40, datetime, msg: "hello" })[0], "E");
});

Deno.test("createLogger() writes one line an event", () => {
  let output = "";
  const logger = createLogger(
    { verbosity: 2, skipHeaders: false, logFormat: "text" },
    (line) => output += line,
  );
  logger.info("one\ntwo");
  logger.warning("three");
  logger.error("four");
  logger.verbose(2, () => "five");
  logger.verbose(3, () => {
    throw new Error("made although nobody reads it");
  });
  const lines = output.split("\n");
  assertEquals(lines.length, 5);
  assertMatch(lines[0]!, /^I\d{4} \d\d:\d\d:\d\d\.\d{6} one; two$/);
  assertEquals(lines.slice(1).map((line) => line[0]), ["W", "E", "I", undefined]);
});

Deno.test("createLogger() leaves out the header when asked", () => {
  let output = "";
  createLogger({ verbosity: 0, skipHeaders: true, logFormat: "text" }, (line) => output += line).info(
    "hello",
  );
  assertEquals(output, "hello\n");
});

Deno.test("createLogger() writes a JSON object a line, whatever the headers", () => {
  let output = "";
  const logger = createLogger(
    { verbosity: 0, skipHeaders: true, logFormat: "json" },
    (line) => output += line,
  );
  logger.info("one\ntwo");
  logger.warning("three");
  logger.error("four");
  const records = output.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(records.map(({ severity, message }) => [severity, message]), [
    ["info", "one\ntwo"],
    ["warning", "three"],
    ["error", "four"],
  ]);
});

Deno.test("createLogger() writes the priority that journald reads", () => {
  let output = "";
  const logger = createLogger(
    { verbosity: 0, skipHeaders: false, logFormat: "journald" },
    (line) => output += line,
  );
  logger.info("one\ntwo");
  logger.warning("three");
  logger.error("four");
  assertEquals(output, "<6>one; two\n<4>three\n<3>four\n");
});

Deno.test("formatJsonRecord() has the time in UTC", () => {
  const datetime = new Date(Date.UTC(2026, 10, 21, 19, 28, 40, 208));
  assertEquals(
    formatJsonRecord({ level: 20, datetime, msg: "hello" }),
    '{"time":"2026-11-21T19:28:40.208Z","severity":"info","message":"hello"}',
  );
});
