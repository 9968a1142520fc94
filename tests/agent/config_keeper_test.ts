import { assertEquals } from "@std/assert";
import { ConfigKeeper } from "../../lib/agent/config_keeper.ts";
import type { ConfigReading } from "../../lib/ports.ts";
import { FakeClock, FakeConfigSource, FakeLogger } from "../fakes/agent.ts";

Deno.test("ConfigKeeper says which of several paths it took, and when that is another one", async () => {
  const logger = new FakeLogger();
  let path = "/a or /b";
  let next = { path, text: undefined as string | undefined };
  const source = {
    get path() {
      return path;
    },
    read: () => {
      path = next.path;
      const files = next.text === undefined
        ? []
        : [{ name: path, bytes: new TextEncoder().encode(next.text) }];
      return Promise.resolve<ConfigReading>({ files });
    },
  };
  const keeper = new ConfigKeeper(
    source,
    { enableIpv6: false, allReservedRanges: false },
    logger,
    new FakeClock(),
  );
  const steps: [path: string, text: string | undefined, ...lines: string[]][] = [
    ["/a or /b", undefined, "I No config at /a or /b: the defaults apply"],
    ["/a or /b", undefined],
    ["/b", "masqLinkLocal: true", "I Config: /b"],
    ["/b", "masqLinkLocal: true"],
    ["/a", "masqLinkLocal: true", "I Config: /a, no longer /b"],
    ["/a", "x", "E /a:1:1: the config is", "E Config /a is bad: the last good one stays in force"],
    ["/a or /b", undefined, "I Config /a or /b is good again", "W Config /a is gone: the defaults apply"],
    ["/a", "", "I Config: /a"],
  ];
  for (const [path, text, ...lines] of steps) {
    next = { path, text };
    await keeper.read();
    const said = logger.take();
    assertEquals(said.map((line, index) => line.slice(0, lines[index]?.length)), lines);
  }
});

Deno.test("ConfigKeeper parses the same files once, and sees each one that is another", async () => {
  const logger = new FakeLogger();
  let files: [name: string, text: string][] = [];
  const source = {
    path: "/c",
    read: () =>
      Promise.resolve<ConfigReading>({
        files: files.map(([name, text]) => ({ name, bytes: new TextEncoder().encode(text) })),
      }),
  };
  const keeper = new ConfigKeeper(
    source,
    { enableIpv6: false, allReservedRanges: false },
    logger,
    new FakeClock(),
  );
  const long = (last: number) => `nonMasqueradeCIDRs: ["10.1.0.0/16", "10.${last}.0.0/16"]\n`;
  const steps: [files: [name: string, text: string][], isAnother: boolean, isParsed: boolean][] = [
    [[["a", long(2)]], true, true],
    [[["a", long(2)]], false, false],
    [[["a", long(3)]], true, true],
    [[["a", `${long(3)}# a comment`]], false, true],
    [[["a", `${long(3)}# a comment`]], false, false],
    [[["b", `${long(3)}# a comment`]], false, true],
    [[["a", long(2)], ["b", long(3)]], true, true],
    [[["a", long(2)], ["b", long(3)]], false, false],
    [[["a", long(2)]], true, true],
    [[["a", "x"]], false, false],
    [[["a", long(2)]], false, false],
    [[["a", long(1)]], true, true],
    [[], true, true],
  ];
  for (const [index, [next, isAnother, isParsed]] of steps.entries()) {
    files = next;
    const before = keeper.config;
    assertEquals(
      [await keeper.read(), keeper.config !== before],
      [isAnother, isParsed],
      `step ${index}`,
    );
  }
});

function setUp(text: string) {
  const [source, logger, clock] = [new FakeConfigSource(text), new FakeLogger(), new FakeClock()];
  const keeper = new ConfigKeeper(source, { enableIpv6: false, allReservedRanges: false }, logger, clock);
  return { source, logger, clock, keeper, links: () => keeper.config?.masqLinkLocal };
}

Deno.test("ConfigKeeper believes that a file is empty only when it is for 2 s", async () => {
  const { source, clock, keeper, links } = setUp("masqLinkLocal: true");
  await keeper.read();
  assertEquals([links(), keeper.doubtMs], [true, Infinity]);
  source.text = "";
  assertEquals([await keeper.read(), links(), keeper.doubtMs], [false, true, 2_000]);
  clock.time += 1_999;
  assertEquals([await keeper.read(), links(), keeper.doubtMs], [false, true, 1]);
  clock.time += 1;
  assertEquals([await keeper.read(), links(), keeper.doubtMs], [true, false, Infinity]);
  assertEquals([await keeper.read(), keeper.doubtMs], [false, Infinity], "it is known to be empty now");
});

Deno.test("ConfigKeeper takes what is written into a file that was found empty, at once", async () => {
  const { source, clock, keeper, links } = setUp("masqLinkLocal: true");
  await keeper.read();
  source.text = "";
  await keeper.read();
  source.text = "masqLinkLocal: false";
  clock.time += 1;
  assertEquals([await keeper.read(), links(), keeper.doubtMs], [true, false, Infinity]);
  source.text = "";
  await keeper.read();
  assertEquals(keeper.doubtMs, 2_000, "the time counts anew");
});

Deno.test("ConfigKeeper takes an empty file at its start, a comment, and no file as they are", async () => {
  const { source, keeper, links } = setUp("");
  assertEquals([await keeper.read(), keeper.doubtMs], [true, Infinity]);
  for (const text of ["# nothing", undefined]) {
    source.text = "masqLinkLocal: true";
    await keeper.read();
    source.text = text;
    assertEquals([await keeper.read(), links(), keeper.doubtMs], [true, false, Infinity]);
  }
});

Deno.test("ConfigKeeper says a warning again that was gone meanwhile", async () => {
  const { source, logger, keeper } = setUp("colour: red");
  const said: string[][] = [];
  for (const text of ["colour: red", "colour: red", "cidrLimit: 5", "cidrLimit: 5", "colour: red"]) {
    source.text = text;
    await keeper.read();
    said.push(logger.take().map((line) => line.slice(0, 38)));
  }
  assertEquals(said, [
    ["W /etc/config/test:1:1: warning: colou"],
    [],
    ["I Previous message repeated 1 time"],
    [],
    ["W /etc/config/test:1:1: warning: colou"],
  ]);
});
