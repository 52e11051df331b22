"""PEARL (Rakelly et al. 2019): off-policy meta-reinforcement learning with a probabilistic latent context.

Reading order: the hyper-parameters; then the learner: collecting data (Alg. 1, lines 3–10), gradient steps (lines
11–23), adaptation (Alg. 2). What the actor and critics do with the latent is in `actor_critic.py`, how it is inferred
in `encoders.py`. Where the paper and the authors' code differ, this follows the code, which made the figures.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from replications.pearl.actor_critic import ActorCriticConfig, Encoding
from replications.pearl.encoders import kl_to_prior, make_encoder
from replications.pearl.off_policy import OffPolicyLearner
from shared.networks.mlp import MLP
from shared.rl.optimise import adam, descend, mean_metrics
from shared.rl.replay import Transitions
from shared.rl.rollout import Batch, Episodes
from shared.study.seeds import generator_state, restore_generator
from shared.tasks.family import TaskFamily


class Config(ActorCriticConfig):
    """Hyper-parameters of PEARL; the published values are in `replication.yaml`."""

    # Inference
    latent_size: int = Field(gt=0)
    encoder: Literal["probabilistic", "deterministic", "recurrent"]
    encoder_size: int = Field(gt=0, description="width of the encoder's hidden layers")
    encoder_learning_rate: float = Field(gt=0)
    encoder_objective: Literal["critics", "policy", "reconstruction"] = Field(
        description="whose loss trains the encoder; reconstruction is of rewards and next states"
    )
    kl_weight: float = Field(ge=0)
    context_rewards: Literal["dense", "sparse"] = Field(description="rewards that tasks are inferred from")
    context_next_states: bool = Field(description="whether transitions in the context hold s′")
    # Gradient steps
    gradient_steps: int = Field(gt=0, description="of one meta-iteration")
    meta_batch: int = Field(gt=0, description="tasks of one gradient step")
    batch_size: int = Field(gt=0, description="transitions per task for actor and critics")
    batch_order: Literal["transitions", "trajectories"] = Field(description="what batches are made of")
    context_size: int = Field(gt=0, description="transitions per task for the encoder")
    context_order: Literal["transitions", "trajectories"] = Field(description="what contexts are made of")
    context_source: Literal["recent", "replay", "batch"] = Field(
        description="recent data; all data; the actor's and critics' own batch"
    )
    # Data, in environment steps per visit of a task
    initial_steps: int = Field(ge=0, description="in every training task, before anything is trained")
    visits: int = Field(gt=0, description="training tasks visited in one meta-iteration")
    prior_steps: int = Field(ge=0, description="with latents of the prior; into context and replay memory")
    posterior_steps: int = Field(ge=0, description="with latents of the posterior; into context and replay memory")
    extra_steps: int = Field(ge=0, description="with latents of the posterior; into the replay memory alone")
    # Adaptation
    exploration_episodes: int = Field(gt=0, description="episodes with latents of the prior")
    evaluations: int = Field(gt=0, description="adaptations to each test task, averaged")
    record_paths: bool = Field(description="report where each step led, for observations that are places on the plane")

    @model_validator(mode="after")
    def _time_has_an_order(self) -> "Config":
        if self.encoder == "recurrent" and self.context_order != "trajectories":
            raise ValueError("context_order must be 'trajectories' for a recurrent encoder")
        return self


class PEARL(OffPolicyLearner):
    """PEARL on a family with a fixed set of training tasks, `family.train_set` `(tasks, task_dim)`."""

    Config = Config

    def __init__(self, family: TaskFamily, config: Config, seed: np.random.SeedSequence, device: str = "cpu"):
        super().__init__(family, config, config.latent_size, seed, device)
        states, actions = self.layout.states, self.layout.actions
        width = states + actions + 1 + (states if config.context_next_states else 0)
        self.encoder = make_encoder(config.encoder, width, config.encoder_size, config.latent_size, self.weights)
        self.encoder.to(device)
        self.encoder_optimiser = adam(self.encoder, config.encoder_learning_rate)
        if config.encoder_objective == "reconstruction":
            told = states + actions + config.latent_size
            self.decoder = MLP(told, [config.encoder_size] * 3, 1 + states, self.weights).to(device)
            self.decoder_optimiser = adam(self.decoder, config.encoder_learning_rate)
        self.recent = self.replay.select()

    # --- Data (Alg. 1, lines 3–10) ---

    def train(self) -> dict[str, float]:
        """Collect data in some tasks, then take the gradient steps of one meta-iteration."""
        c = self.config
        if self.env_steps == 0:
            self._gather(np.arange(len(self.family.train_set)), c.initial_steps, recent=True)
        visited = self.rng.integers(len(self.family.train_set), size=c.visits)
        # A task may be visited again, with all that was gathered before forgotten: that is a visit of a later round.
        rounds = np.array([np.sum(visited[:index] == task) for index, task in enumerate(visited)])
        returns = [self._visit(visited[rounds == number]) for number in range(rounds.max() + 1)]
        return {"train/return": float(np.concatenate(returns).mean()), **self._gradient_steps()}

    def _visit(self, tasks: np.ndarray) -> np.ndarray:
        """Visit different `tasks` side by side: fresh context, then data; return the episodes' returns."""
        c = self.config
        for task in tasks:
            self.recent.clear(task)
        returns = [self._gather(tasks, c.prior_steps, recent=True)]
        returns.append(self._gather(tasks, c.posterior_steps, recent=True, posterior=True))
        returns.append(self._gather(tasks, c.extra_steps, recent=False, posterior=True))
        return np.concatenate(returns)

    def _gather(self, tasks: np.ndarray, steps: int, recent: bool, posterior: bool = False) -> np.ndarray:
        """Play whole episodes in each of `tasks` until it has seen `steps` steps; return the episodes' returns.

        With `posterior` each latent but a task's first is inferred from its recent data. Only where the episodes add to
        these data do they have to follow each other.
        """
        returns, begun = [np.empty(0)], np.zeros(len(tasks), dtype=bool)
        left = np.full(len(tasks), steps)
        while (left > 0).any():
            waiting = np.flatnonzero(left > 0)
            one_by_one = posterior and recent
            players = np.repeat(waiting, 1 if one_by_one else -(-left[waiting] // self.family.horizon))
            z = self._prior(self.normal(len(players), self.config.latent_size))
            if posterior:
                informed = begun[players] | (np.diff(players, prepend=-1) == 0)  # all but the first of a task
                begun[waiting] = True
                if informed.any():
                    z[torch.from_numpy(informed)] = self._sampled(tasks[players[informed]])
            episodes = self._play(tasks[players], z)
            lengths = np.maximum(episodes.valid.sum(axis=0), 1)
            np.subtract.at(left, players, lengths)
            self.env_steps += int(lengths.sum())
            for episode, player in enumerate(players):
                places = self.replay.store(tasks[player], episodes.rows(episode))
                if recent:
                    self.recent.add(tasks[player], places)
            returns.append((episodes.rewards * episodes.valid).sum(axis=0))
        return np.concatenate(returns)

    def _play(self, tasks: np.ndarray, z: Tensor) -> Episodes:
        """Play an episode in each of the training tasks `tasks` `(N,)` with latents `(N, latents)`, actions sampled."""

        def act(states: np.ndarray) -> np.ndarray:
            return self.actor_critic.act(states, z, self.normal(len(states), self.layout.actions))

        return self.stage.play(self.family.train_set[tasks], act, self.rng, self.config.context_rewards == "sparse")

    @torch.no_grad()
    def _sampled(self, tasks: np.ndarray) -> Tensor:
        """Draw latents `(N, latents)` from posteriors given samples of the recent data of `tasks` `(N,)`."""
        context, mask = self._context(tasks, self.recent)
        return self._draw(*self.encoder(context, mask), self.normal(len(tasks), self.config.latent_size))

    # --- Gradient steps (Alg. 1, lines 11–23) ---

    def _gradient_steps(self) -> dict[str, float]:
        return mean_metrics([self._gradient_step() for _ in range(self.config.gradient_steps)])

    def _gradient_step(self) -> dict[str, Tensor]:
        c = self.config
        tasks = self.rng.integers(len(self.family.train_set), size=c.meta_batch)
        draw = self.replay.sample_sequences if c.batch_order == "trajectories" else self.replay.sample
        rows = draw(tasks, c.batch_size, self.rng).to(self.device)
        if c.context_source == "batch":
            context = self.layout.context(rows, c.context_next_states)
            mask = torch.ones(context.shape[:2], device=self.device)
        else:
            context, mask = self._context(tasks, self.replay if c.context_source == "replay" else self.recent)
        mean, variance = self.encoder(context, mask)
        z = self._draw(mean, variance, self.normal(c.meta_batch, c.latent_size))
        kl = kl_to_prior(mean, variance) if c.encoder != "deterministic" else torch.zeros(())
        batch, z = self.layout.batch(rows), z.repeat_interleave(c.batch_size, dim=0)
        noise, encoding = self.normal(len(z), self.layout.actions), Encoding(c.kl_weight * kl, self.encoder_optimiser)
        if c.encoder_objective == "reconstruction":
            loss = self._reconstruction_loss(batch, z)
            descend(loss + encoding.loss, encoding.optimiser, self.decoder_optimiser)
            metrics = self.actor_critic.update(batch, z.detach(), noise) | {"encoder/loss": loss.detach()}
        else:
            metrics = self.actor_critic.update(batch, z, noise, encoding, through=c.encoder_objective)
        spread = {"encoder/kl": kl.detach(), "encoder/variance": variance.detach().mean()}
        return metrics | spread | {"encoder/mean_square": mean.detach().square().mean()}

    def _reconstruction_loss(self, batch: Batch, z: Tensor) -> Tensor:
        """Return −Σ log N(r, s' | decoder(s, a, z), I), constants left out, over the batch: with the KL an ELBO.

        In units of the batch's own spread, so that the reward, which tells tasks apart, is not drowned by velocities.
        A mean instead of the sum would be less than the KL divergence costs, and the encoder would tell nothing.
        """
        predicted = self.decoder(torch.cat([batch.states, batch.actions, z], dim=1))
        truth = torch.cat([batch.rewards[:, None], batch.next_states], dim=1)
        truth = (truth - truth.mean(dim=0)) / (truth.std(dim=0) + 1e-6)
        return 0.5 * (predicted - truth).square().sum()

    def _context(self, tasks: np.ndarray, memory: Transitions) -> tuple[Tensor, Tensor]:
        """Draw contexts `(M, context_size, ·)` for `tasks` `(M,)` from `memory`, with their masks."""
        c = self.config
        draw = memory.sample_sequences if c.context_order == "trajectories" else memory.sample
        context = self.layout.context(draw(tasks, c.context_size, self.rng).to(self.device), c.context_next_states)
        return context, torch.ones(context.shape[:2], device=self.device)

    # --- Adaptation (Alg. 2) ---

    @torch.no_grad()
    def adapt(self, tasks: np.ndarray, episodes: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Explore with latents of the prior, then act with latents of the posterior given all episodes so far.

        Actions are the policy's means, latents are drawn. Returns `return` `(tasks, episodes)`, and where tasks are
        inferred from sparse rewards these as `return` and the dense ones as `dense_return`. Repeated evaluations are
        averaged; with `record_paths` the first one's way is reported as `x01`, `y01` and so on.
        """
        c, played = self.config, np.repeat(tasks, self.config.evaluations, axis=0)
        sparse = c.context_rewards == "sparse"
        returns, dense = np.empty((2, len(played), episodes))
        history: list[Episodes] = []
        for episode in range(episodes):
            noise = torch.from_numpy(rng.standard_normal((len(played), c.latent_size), np.float32)).to(self.device)
            explores = episode < c.exploration_episodes
            z = self._prior(noise) if explores else self._draw(*self._infer(history), noise)
            history.append(self.stage.play(played, lambda s, z=z: self.actor_critic.act(s, z, None), rng, sparse))
            returns[:, episode] = (history[-1].context_rewards * history[-1].valid).sum(axis=0)
            dense[:, episode] = (history[-1].rewards * history[-1].valid).sum(axis=0)
        measures = {"return": returns, "dense_return": dense} if sparse else {"return": returns}
        shape = (len(tasks), c.evaluations, episodes)
        averaged = {name: values.reshape(shape).mean(axis=1) for name, values in measures.items()}
        return averaged | (_paths(history, c.evaluations) if c.record_paths else {})

    def _infer(self, history: list[Episodes]) -> tuple[Tensor, Tensor]:
        """Return mean and variance `(N, latents)` of the posterior given everything in `history`."""
        c = self.config
        parts = ("observations", "actions", "context_rewards", "next_observations")
        s, a, r, after = (np.concatenate([getattr(one, part) for one in history]) for part in parts)
        columns = [s, a, r[..., None], after] if c.context_next_states else [s, a, r[..., None]]
        context = np.concatenate(columns, axis=2, dtype=np.float32).swapaxes(0, 1)
        mask = np.concatenate([one.valid for one in history]).T.astype(np.float32)
        return self.encoder(torch.from_numpy(context).to(self.device), torch.from_numpy(mask).to(self.device))

    # --- Latents ---

    def _draw(self, mean: Tensor, variance: Tensor, noise: Tensor) -> Tensor:
        """Return draws of z `(N, latents)` that gradients pass through; a deterministic latent is its mean."""
        return mean if self.config.encoder == "deterministic" else mean + variance.sqrt() * noise

    def _prior(self, noise: Tensor) -> Tensor:
        """Turn standard normal `noise` `(N, latents)` into draws of the prior; a deterministic latent starts at 0."""
        return torch.zeros_like(noise) if self.config.encoder == "deterministic" else noise

    # --- State ---

    def state_dict(self) -> dict[str, Any]:
        """Return networks, optimisers, both memories, generators and the step count."""
        return {name: getattr(self, name).state_dict() for name in self._stateful()} | {
            "rng": generator_state(self.rng),
            "noise": self.noise.get_state(),
            "env_steps": self.env_steps,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        for name in self._stateful():
            getattr(self, name).load_state_dict(state[name])
        restore_generator(self.rng, state["rng"])
        self.noise.set_state(state["noise"])
        self.env_steps = state["env_steps"]

    def _stateful(self) -> list[str]:
        decoder = ["decoder", "decoder_optimiser"] if self.config.encoder_objective == "reconstruction" else []
        return ["actor_critic", "encoder", "encoder_optimiser", *decoder, "replay", "recent"]


def _paths(history: list[Episodes], every: int) -> dict[str, np.ndarray]:
    """Return the places after each step, `(tasks, episodes)` each, of every `every`-th of the players."""
    places = np.stack([one.next_observations[:, ::every] for one in history], axis=-1)  # (T, tasks, 2, episodes)
    return {f"{axis}{t + 1:02}": step[:, index] for t, step in enumerate(places) for index, axis in enumerate("xy")}
