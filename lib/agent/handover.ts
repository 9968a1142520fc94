/** After a change of the backend: what the others left goes, once the new rules stand. */
import { AutoBackend } from "../backends/auto_backend.ts";
import { type Backend, BackendError, BackendMissingError } from "../backends/backend.ts";
import type { BackendName } from "../backends/backend_name.ts";
import { createBackend } from "../backends/create_backend.ts";
import { IptablesBackend } from "../backends/iptables/iptables_backend.ts";
import type { ChainName } from "../config/chain_name.ts";
import type { CommandRunner, Logger } from "../ports.ts";

/** What a handover needs to know. */
export interface HandoverParts {
  readonly chainName: ChainName;
  readonly runner: CommandRunner;
  readonly logger: Logger;
}

/** A tool that can't read rules most likely can't have made any: it is not asked without end. */
const MOST_TRIES = 5;

/** How looking for one backend's rules ended; `left` where they stand and can't be removed. */
type Looked = "clean" | "missing" | "unreadable" | "left";

/**
 * Looks for what other backends left, once for each family. Both may stand for a moment: the kernel translates a
 * connection once, by whoever comes first, and both say the same.
 */
export class Handover {
  readonly #parts: HandoverParts;
  /** How often each family was looked at. */
  readonly #tries = new Map<Backend, number>();
  readonly #done = new Set<Backend>();
  /** What was last said about rules that can't be removed, by their place, so that it is said once. */
  readonly #complaints = new Map<string, string>();

  constructor(parts: HandoverParts) {
    this.#parts = parts;
  }

  /**
   * To be called after `backend` was synced with success: its rules stand. Never throws for a tool that fails;
   * returns false where rules of another backend stand and can't be removed, which the next call tries again.
   */
  async finish(backend: Backend): Promise<boolean> {
    const active = backend instanceof AutoBackend ? backend.chosen! : backend;
    if (this.#done.has(active)) return true;
    const tries = (this.#tries.get(active) ?? 0) + 1;
    this.#tries.set(active, tries);
    const results = await this.#removeOthers(active);
    if (results.includes("left")) return false;
    if (!results.includes("unreadable") || tries >= MOST_TRIES) this.#done.add(active);
    return true;
  }

  /**
   * Each look costs one process. That at legacy, which would make its tables where there are none, is taken only
   * where the nft variant says that they are there, or can't say.
   */
  async #removeOthers(active: Backend): Promise<readonly Looked[]> {
    const results: Looked[] = [];
    const look = async (name: BackendName) => {
      const backend = await createBackend(name, active.family, this.#parts.chainName, this.#parts.runner);
      const result = await this.#remove(name, backend, active);
      results.push(result);
      return { result, seesLegacy: backend instanceof IptablesBackend && backend.sawLegacyTables };
    };
    if (active instanceof IptablesBackend) {
      const looks = [look("nftables")];
      if (active.variant === "legacy") looks.push(look("iptables-nft"));
      else if (active.sawLegacyTables) looks.push(look("iptables-legacy"));
      await Promise.all(looks);
    } else {
      const nft = await look("iptables-nft");
      if (nft.seesLegacy || nft.result === "missing" || nft.result === "unreadable") {
        const legacy = await look("iptables-legacy");
        if (nft.result === "missing" && legacy.result === "missing") await look("iptables");
      }
    }
    return results;
  }

  async #remove(name: BackendName, backend: Backend, active: Backend): Promise<Looked> {
    const { logger } = this.#parts;
    const { family } = backend;
    let stands = false;
    try {
      const plan = await backend.planRemoval();
      stands = plan.transaction !== "";
      if (!stands) return "clean";
      await backend.apply(plan);
      logger.info(`${family}: removed what ${name} had, now that the rules stand with ${active.describe()}`);
      return "clean";
    } catch (error) {
      if (error instanceof BackendMissingError) return "missing";
      if (!(error instanceof BackendError)) throw error;
      if (!stands) {
        logger.verbose(2, () => `${family}: cannot look for rules of ${name}: ${error.message}`);
        return "unreadable";
      }
      const complaint = `${family}: the rules of ${name} still stand and can't be removed: ${error.message}`;
      const place = `${family} ${name}`;
      if (complaint !== this.#complaints.get(place)) logger.warning(complaint);
      this.#complaints.set(place, complaint);
      return "left";
    }
  }
}
