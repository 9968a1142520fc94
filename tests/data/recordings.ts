/**
 * All recordings; tools/record_listings.ts writes this file.
 *
 * @module
 */
import iptables_1_8_7_legacy from "./iptables/1.8.7-legacy.json" with { type: "json" };
import iptables_1_8_7_nft from "./iptables/1.8.7-nft.json" with { type: "json" };
import iptables_1_8_9_legacy from "./iptables/1.8.9-legacy.json" with { type: "json" };
import iptables_1_8_9_nft from "./iptables/1.8.9-nft.json" with { type: "json" };
import iptables_1_8_11_legacy from "./iptables/1.8.11-legacy.json" with { type: "json" };
import iptables_1_8_11_nft from "./iptables/1.8.11-nft.json" with { type: "json" };
import iptables_1_8_13_legacy from "./iptables/1.8.13-legacy.json" with { type: "json" };
import iptables_1_8_13_nft from "./iptables/1.8.13-nft.json" with { type: "json" };
import nft_0_9_8 from "./nft/0.9.8.json" with { type: "json" };
import nft_1_0_6 from "./nft/1.0.6.json" with { type: "json" };
import nft_1_1_3 from "./nft/1.1.3.json" with { type: "json" };
import nft_1_1_7 from "./nft/1.1.7.json" with { type: "json" };
import type { Recordings } from "./recording.ts";

/** What iptables printed, by version. */
export const IPTABLES_RECORDINGS: Readonly<Record<string, Recordings>> = {
  "1.8.7-legacy": iptables_1_8_7_legacy,
  "1.8.7-nft": iptables_1_8_7_nft,
  "1.8.9-legacy": iptables_1_8_9_legacy,
  "1.8.9-nft": iptables_1_8_9_nft,
  "1.8.11-legacy": iptables_1_8_11_legacy,
  "1.8.11-nft": iptables_1_8_11_nft,
  "1.8.13-legacy": iptables_1_8_13_legacy,
  "1.8.13-nft": iptables_1_8_13_nft,
};

/** What nft printed, by version. */
export const NFT_RECORDINGS: Readonly<Record<string, Recordings>> = {
  "0.9.8": nft_0_9_8,
  "1.0.6": nft_1_0_6,
  "1.1.3": nft_1_1_3,
  "1.1.7": nft_1_1_7,
};
