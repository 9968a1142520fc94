/** A part of what `make fuzz` does in full. */
import { assertEquals } from "@std/assert";
import { randomConfig, seededRandom, tryConfig } from "./fuzz.ts";

const COUNT = 20_000;

Deno.test(`loadConfig() gives a config or errors for ${COUNT} random and mutated texts`, () => {
  const random = seededRandom(20_261_121);
  let good = 0;
  for (let number = 0; number < COUNT; number++) {
    const bytes = randomConfig(random);
    try {
      if (tryConfig(bytes).isGood) good++;
    } catch (cause) {
      throw new Error(`Input ${number}: ${JSON.stringify(new TextDecoder().decode(bytes))}`, { cause });
    }
  }
  // Both kinds must be met often, or the generator is of no use.
  assertEquals(good > COUNT / 20 && good < COUNT * 0.8, true, `${good} good`);
});

Deno.test("randomConfig() gives the same texts for the same seed, and others for another", () => {
  const texts = (seed: number) => {
    const random = seededRandom(seed);
    return Array.from({ length: 20 }, () => randomConfig(random));
  };
  assertEquals(texts(1), texts(1));
  assertEquals(JSON.stringify(texts(1)) === JSON.stringify(texts(2)), false);
});
