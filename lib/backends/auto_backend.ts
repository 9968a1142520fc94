/** The backend of `--backend=auto`: found when it is first needed, the same for all families. */
import type { IpFamily } from "../config/ip_address.ts";
import type { Ruleset } from "../rules/ruleset.ts";
import { type Backend, BackendError, type SyncPlan, type VerdictCounters } from "./backend.ts";
import type { BackendName } from "./backend_name.ts";

/** Finds the backend for this host; every call after a success gives the same without looking again. */
export type Chooser = () => Promise<BackendName>;

/**
 * Makes a {@linkcode Chooser}. Families that ask at the same time share one search, and a search that failed is made
 * again by the next who asks: a module may be loaded by then.
 *
 * @param find Looks at the host.
 * @param onChoice Told once what was chosen and why.
 */
export function createChooser(
  find: () => Promise<{ readonly backend: BackendName; readonly reason: string }>,
  onChoice: (backend: BackendName, reason: string) => void,
): Chooser {
  let search: Promise<BackendName> | undefined;
  return () => {
    search ??= find().then(({ backend, reason }) => {
      onChoice(backend, reason);
      return backend;
    }, (error) => {
      search = undefined;
      throw error;
    });
    return search;
  };
}

/** Stands for the backend that will be chosen. */
export class AutoBackend implements Backend {
  readonly family: IpFamily;
  readonly #choose: Chooser;
  readonly #create: (name: BackendName) => Promise<Backend>;
  #chosen: Backend | undefined;

  constructor(family: IpFamily, choose: Chooser, create: (name: BackendName) => Promise<Backend>) {
    this.family = family;
    this.#choose = choose;
    this.#create = create;
  }

  /** The backend that was chosen, undefined before. */
  get chosen(): Backend | undefined {
    return this.#chosen;
  }

  describe(): string {
    return this.#chosen?.describe() ?? "auto";
  }

  async install(ruleset: Ruleset): Promise<string | undefined> {
    return await (await this.#backend()).install?.(ruleset);
  }

  async plan(ruleset: Ruleset): Promise<SyncPlan> {
    return await (await this.#backend()).plan(ruleset);
  }

  async apply(plan: SyncPlan): Promise<void> {
    if (this.#chosen === undefined) throw new BackendError("There is no plan to apply: no backend is chosen");
    await this.#chosen.apply(plan);
  }

  async planRemoval(): Promise<SyncPlan> {
    return await (await this.#backend()).planRemoval();
  }

  async readCounters(): Promise<VerdictCounters> {
    if (this.#chosen === undefined) throw new BackendError("There is nothing to count: no backend is chosen");
    return await this.#chosen.readCounters();
  }

  async #backend(): Promise<Backend> {
    return this.#chosen ??= await this.#create(await this.#choose());
  }
}
