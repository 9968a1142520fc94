/** One sync of one family: read, compare, write what differs; the first one may write before. */
import { type Backend, BackendError, type SyncPlan } from "../backends/backend.ts";
import type { Ruleset } from "../rules/ruleset.ts";

/** How a sync ended. */
export type SyncResult =
  | { readonly outcome: "unchanged"; readonly plan: SyncPlan }
  | { readonly outcome: "applied"; readonly plan: SyncPlan }
  | { readonly outcome: "failed"; readonly error: BackendError };

/**
 * Makes the kernel what `ruleset` says; writes nothing where it already is. Never throws for a tool that fails.
 *
 * @param tryInstall Whether to begin by writing, on the chance that nothing of ours stands.
 */
export async function reconcile(backend: Backend, ruleset: Ruleset, tryInstall = false): Promise<SyncResult> {
  try {
    const transaction = tryInstall ? await backend.install?.(ruleset) : undefined;
    const plan = await backend.plan(ruleset);
    // Agents that install at the same time may append a jump each, which does no harm. To remove one here might
    // remove them all, for the other agent would do the same.
    if (transaction !== undefined && plan.drift.every(({ kind }) => kind === "jump-duplicate")) {
      return { outcome: "applied", plan: { ...plan, drift: [], fresh: true, transaction } };
    }
    if (plan.drift.length === 0) return { outcome: "unchanged", plan };
    await backend.apply(plan);
    return { outcome: "applied", plan };
  } catch (error) {
    if (error instanceof BackendError) return { outcome: "failed", error };
    throw error;
  }
}
