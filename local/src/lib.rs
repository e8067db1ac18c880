//! Posthorn on a laptop: every function, the tables and the queues in one process.
